import { $, byId, element, report } from "./dom.js";
import { PRESETS } from "./presets.js";
import { call } from "./visit.js";

const FIELDS = ["title", "content", "category", "action_url"];
const DEVICES_OF_A_PERSON = 2;

const form = byId("composer");
let latest = null;

/** Show the examples. Choosing one fills the form. */
export function startComposer() {
  $(".presets").append(
    ...PRESETS.map((preset) => {
      const button = element("button", { type: "button", textContent: preset.label });
      button.addEventListener("click", () => choose(preset, button));
      return button;
    }),
  );
  // On a narrow screen, the fields would hide the device.
  const wide = matchMedia("(min-width: 880px)");
  const unfold = () => ($(".fields").open = wide.matches);
  wide.addEventListener("change", unfold);
  unfold();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("input", ({ target }) => target.name !== "to" && mark(null));
  choose(PRESETS[0], $(".presets button"));
}

function choose(preset, button) {
  for (const name of FIELDS) form.elements[name].value = preset[name];
  mark(button);
}

function mark(chosen) {
  for (const button of $(".presets").children) button.setAttribute("aria-pressed", button === chosen);
}

async function send() {
  const entered = new FormData(form);
  const to = entered.getAll("to");
  if (!to.length) return report(byId("sent"), "Choose at least one person.", true);
  const filled = FIELDS.map((name) => [name, entered.get(name)]).filter(([, value]) => value);
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  latest = { id, startedAt: performance.now(), expected: to.length * DEVICES_OF_A_PERSON, arrived: 0 };
  try {
    await call("notifications", { ...Object.fromEntries(filled), to, delivery: id });
    if (latest.id === id && !latest.arrived) report(byId("sent"), "Sent.");
  } catch (error) {
    report(byId("sent"), `Not sent: ${error.message}`, true);
  }
}

/** Return how long a notification took from the click, in ms; undefined for one that this page did not send last. */
export function noteArrival(delivery) {
  if (!delivery || latest?.id !== delivery) return undefined;
  const ms = Math.round(performance.now() - latest.startedAt);
  latest.arrived++;
  report(byId("sent"), `On ${latest.arrived} of ${latest.expected} devices after ${spelled(ms)}. Open a bell to read it.`);
  return ms;
}

export function spelled(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
