/** The demo page: two people with one inbox per transport each, a form to send to them, and a log of all events. */

import { byId } from "./dom.js";
import { IDEAS } from "./ideas.js";
import { forgetKeys, readKeys, storeKeys } from "./keys.js";
import { log } from "./log.js";
import { Person } from "./person.js";
import { ago } from "./row.js";
import { noteArrival, send, suggest } from "./sending.js";

let people = [];
let keys = null;

function open() {
  keys = isSecureContext ? readKeys() : null;
  people.forEach((person) => person.leave());
  people = keys ? ["ada", "grace"].map((userId) => new Person(userId, surroundings())) : [];
  byId("people").replaceChildren(...people.map((person) => person.element));
  byId("send").querySelector("fieldset").replaceChildren(
    byId("send").querySelector("legend"),
    ...people.map((person) => person.recipient),
  );
  byId("credentials").hidden = keys !== null;
  byId("stage").hidden = byId("forget").hidden = keys === null;
}

function surroundings() {
  return {
    keys,
    log,
    isTaken: (userId, by) => people.some((person) => person !== by && person.userId === userId),
    onChange: () => log.listSources(people.flatMap(({ panels }) => panels)),
    onEvent: noteArrival,
  };
}

byId("send").addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target, keys);
});
byId("another").addEventListener("click", suggest);
byId("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  const entered = new FormData(event.target);
  storeKeys({ apiKey: entered.get("api_key").trim(), apiSecret: entered.get("api_secret").trim() });
  event.target.reset();
  open();
});
byId("forget").addEventListener("click", () => {
  forgetKeys();
  open();
});
addEventListener("hashchange", open); // another address with keys was pasted into this tab
setInterval(() => {
  for (const time of document.querySelectorAll(".item time")) time.textContent = ago(Date.parse(time.dateTime) / 1000);
}, 20_000);

const categories = new Set(IDEAS.map(([, , category]) => category));
byId("categories").append(...[...categories].map((category) => new Option("", category)));
suggest();
open();
if (!isSecureContext) {
  byId("credentials").querySelector("button").disabled = true;
  byId("credentials").querySelector(".outcome").textContent =
    "This page computes an HMAC, which browsers allow on https and localhost only. Open it as http://127.0.0.1:8000/demo.";
}
