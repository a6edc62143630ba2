import { h } from "./dom.ts";
import type { Key, Locale } from "./locale.ts";
import type { Push, PushState } from "./push.ts";

const HINTS: Record<PushState, Key> = {
  unsupported: "push_unsupported",
  install: "push_install",
  denied: "push_denied",
  off: "push_off",
  on: "push_on",
};

/** Return the offer of web push in this browser, with what to do where it cannot be turned on. */
export function pushSection(push: Push, texts: Locale): HTMLElement {
  const hint = h("p", { role: "status" });
  const button = h("button", { part: "plain", hidden: true, click });
  let state: PushState | undefined;

  async function show() {
    state = await push.state();
    hint.textContent = texts.text(HINTS[state]);
    const on = state === "on";
    button.hidden = !on && state !== "off";
    button.textContent = texts.text(on ? "turn_off" : "turn_on");
    button.classList.toggle("primary", !on);
  }

  async function click() {
    if (button.ariaBusy) return;
    button.ariaBusy = "true";
    try {
      await (state === "on" ? push.turnOff() : push.turnOn());
      await show();
    } catch {
      hint.textContent = texts.text("push_failed");
    } finally {
      button.ariaBusy = null;
    }
  }

  show();
  return h("section", { part: "push" }, h("div", {}, h("b", {}, texts.text("push")), hint), button);
}
