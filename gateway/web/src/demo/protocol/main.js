/** The page of the live protocol: two people with an inbox per transport each, a form, and a log of all messages. */

import { beginVisit } from "../visit.js";
import { byId } from "./dom.js";
import { IDEAS } from "./ideas.js";
import { log } from "./log.js";
import { Person } from "./person.js";
import { ago } from "./row.js";
import { noteArrival, report, send, suggest } from "./sending.js";

async function open() {
  const visit = await beginVisit();
  const people = visit.people.map((person) => new Person(person, { log, onEvent: noteArrival }));
  byId("people").append(...people.map((person) => person.element));
  byId("send").querySelector("fieldset").append(...people.map((person) => person.recipient));
  for (const [place, person] of people.entries()) {
    person.open(visit.devices.filter((device) => device.person === visit.people[place].id));
  }
  log.listSources(people.flatMap(({ panels }) => panels));
}

byId("send").addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});
byId("another").addEventListener("click", suggest);
setInterval(() => {
  for (const time of document.querySelectorAll(".item time")) time.textContent = ago(Date.parse(time.dateTime) / 1000);
}, 20_000);

const categories = new Set(IDEAS.map(([, , category]) => category));
byId("categories").append(...[...categories].map((category) => new Option("", category)));
suggest();
open().catch((error) => report(`The inboxes cannot be opened: ${error.message}. Reload the page to try again.`, true));
