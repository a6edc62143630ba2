import { CLOSE, drawing, h } from "./dom.ts";
import type { InboxElement } from "./element.ts";

export const SKELETON_AFTER_MS = 200; // what comes sooner shows no skeleton

/** Rows in the geometry of real ones, while the first page is loaded. */
export function skeleton(label: string): HTMLElement {
  const bone = () => h("div", { class: "bone" }, h("i"), h("i"), h("i"));
  return h("div", { role: "status", "aria-label": label }, ...Array.from({ length: 6 }, bone));
}

/** Create what is shown while the module of the panel is loaded. A phone can close it. */
export function frame(host: InboxElement & { close?(): void }): HTMLElement {
  const { text } = host;
  return h(
    "div",
    { part: "inbox" },
    h(
      "div",
      { part: "header" },
      h("h2", { part: "title" }, text("title")),
      host.close && h("button", { part: "icon close", "aria-label": text("close"), click: () => host.close!() }, drawing(CLOSE)),
    ),
    h("div", { part: "tabs" }),
    skeleton(text("loading")),
  );
}
