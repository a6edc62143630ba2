import { call } from "../visit.js";
import { byId } from "./dom.js";
import { IDEAS } from "./ideas.js";
import { TRANSPORTS } from "./panel.js";

const SEND_FIELDS = ["title", "content", "category", "action_url"];
let nextIdea = Math.floor(Math.random() * IDEAS.length);
let latestDelivery = null;

/** Fill the form with the next idea. */
export function suggest() {
  IDEAS[nextIdea++ % IDEAS.length].forEach((text, place) => {
    byId("send").elements[SEND_FIELDS[place]].value = text;
  });
}

/** Send the form's notification. */
export async function send(form) {
  const entered = new FormData(form);
  const to = entered.getAll("to");
  if (to.length === 0) return report("Choose at least one person.", true);

  const filled = SEND_FIELDS.map((name) => [name, entered.get(name)]).filter(([, value]) => value !== "");
  const delivery = (latestDelivery = {
    id: crypto.getRandomValues(new Uint32Array(4)).join("-"), // by which `noteArrival` recognises it
    startedAt: performance.now(),
    inboxes: to.length * Object.keys(TRANSPORTS).length,
    arrivedAfterMs: [],
  });
  try {
    await call("notifications", { ...Object.fromEntries(filled), to, delivery: delivery.id });
    if (delivery.arrivedAfterMs.length === 0) report("Sent.");
    const isUntouched = SEND_FIELDS.every((name) => form.elements[name].value === entered.get(name));
    if (isUntouched) suggest(); // otherwise the next one is already being written
  } catch (error) {
    report(`Not sent: ${error.message}`, true);
  }
}

/** Show how long the latest notification took from the click to each inbox. */
export function noteArrival({ name, data }) {
  if (name !== "notifications/new" || !latestDelivery) return;
  const { id, startedAt, inboxes, arrivedAfterMs } = latestDelivery;
  if (data.notification.custom_attributes?.delivery !== id) return;
  if (arrivedAfterMs.length === 0) ringBell();
  arrivedAfterMs.push(Math.round(performance.now() - startedAt));
  report(`In ${arrivedAfterMs.length} of ${inboxes} inboxes, the last one after ${arrivedAfterMs.at(-1)} ms.`);
}

function ringBell() {
  const masthead = document.querySelector(".masthead");
  masthead.classList.add("ringing");
  masthead.addEventListener("animationend", () => masthead.classList.remove("ringing"), { once: true });
}

/** Show what became of sending. */
export function report(text, failed = false) {
  byId("send-outcome").textContent = text;
  byId("send-outcome").classList.toggle("failed", failed);
}
