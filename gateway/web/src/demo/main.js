/** The demo: the bell in a product, on four devices of two people, and what happens between them. */

import { startColours } from "./colours.js";
import { startComposer } from "./composer.js";
import { $, byId, report } from "./dom.js";
import { sendFirst } from "./sending.js";
import { startSnippet } from "./snippet.js";
import { Stage } from "./stage.js";
import { beginVisit } from "./visit.js";

let stage = null;

startColours((theme) => stage?.setTheme(theme));
startComposer();
startSnippet();

try {
  const visit = await beginVisit();
  if (visit.is_new) await sendFirst(visit.people);
  stage = new Stage(visit);
} catch (error) {
  $(".all").lastElementChild.textContent = "The devices cannot be opened";
  report(byId("restarted"), `${error.message}. Reload the page to try again.`, true);
}
