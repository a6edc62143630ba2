import { focused, set } from "./dom.ts";

const VERTICAL = ["ArrowUp", "ArrowDown"] as const;

/** Move the focus among the children of an element by arrow keys, Home and End. Returns the child that got it. */
export function move(event: KeyboardEvent, parent: Element, along?: "row"): HTMLElement | undefined {
  const rtl = along && getComputedStyle(parent).direction === "rtl";
  const [back, on] = !along ? VERTICAL : rtl ? ["ArrowRight", "ArrowLeft"] : ["ArrowLeft", "ArrowRight"];
  const children = [...parent.children] as HTMLElement[];
  const at = children.findIndex((child) => child.contains(event.target as Node));
  const last = children.length - 1;
  const to = { [back!]: Math.max(at - 1, 0), [on!]: Math.min(at + 1, last), Home: 0, End: last }[event.key];
  if (to === undefined) return undefined;
  event.preventDefault();
  children[to]?.focus();
  return children[to];
}

/** Keep the Tab key within an element. */
export function contain(event: KeyboardEvent, within: HTMLElement): void {
  if (event.key !== "Tab") return;
  const reached = [...within.querySelectorAll<HTMLElement>("a[href],button,input,[tabindex]")].filter(
    (element) => element.tabIndex >= 0 && element.checkVisibility(),
  );
  const [edge, other] = event.shiftKey ? [reached[0], reached.at(-1)] : [reached.at(-1), reached[0]];
  const at = focused(within);
  if (at !== edge && at !== within) return;
  event.preventDefault();
  other?.focus();
}

/** Let the Tab key reach an element, or not. */
export function reachable(element: Element, reach: boolean): void {
  set(element, "tabindex", reach ? 0 : -1);
}
