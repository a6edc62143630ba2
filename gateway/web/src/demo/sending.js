import { PRESETS } from "./presets.js";
import { call } from "./visit.js";

function send({ label, ...notification }, to) {
  return call("notifications", { ...notification, to });
}

/** Send the first notifications of a visit, so that no inbox is empty. */
export async function sendFirst(people) {
  for (const preset of [PRESETS[3], PRESETS[1]]) {
    await send(preset, people.map(({ id }) => id));
  }
}

/** Send an example to Ada; `number` counts them. */
export function sendPreset(number) {
  return send(PRESETS[number % PRESETS.length], ["ada"]);
}
