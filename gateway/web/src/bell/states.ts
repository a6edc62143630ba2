import { h } from "./dom.ts";
import { type Icon, icon } from "./icons.ts";

/** A state that takes the place of the list: a picture, what it is, why, and at most one action. */
export interface Placeholder {
  readonly icon: Icon;
  /** The address of a picture that replaces the icon. */
  readonly image?: string | undefined;
  readonly title: string;
  readonly hint?: string | undefined;
  readonly detail?: string | undefined | false;
  readonly action?: readonly [label: string, run: () => void];
}

export function placeholder({ icon: name, image, title, hint, detail, action }: Placeholder): HTMLElement {
  return h(
    "div",
    { part: "state" },
    image ? h("img", { part: "picture", src: image, alt: "" }) : h("div", { part: "picture" }, icon(name)),
    h("b", {}, title),
    hint && h("p", {}, hint),
    detail && h("small", {}, detail),
    action && plainButton(...action),
  );
}

export function plainButton(label: string, click: () => void): HTMLElement {
  return h("button", { part: "plain", click }, label);
}
