/** Elements, icons, and lists of elements that change as little as possible. */

type Child = Node | string | null | undefined | false | 0 | "";
type Attribute = string | number | boolean | null | undefined | ((event: any) => void);

/**
 * Create an element. A function among the attributes listens to the event of its name. `part` is a class as well, so
 * that the style sheet and the page use the same names.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    set(element, name, value);
    if (name === "part") set(element, "class", value);
  }
  element.append(...(children.filter(Boolean) as (Node | string)[]));
  return element;
}

/** Set an attribute, or remove it if the value is null, undefined or false. */
export function set(element: Element, name: string, value: Attribute): void {
  if (typeof value === "function") element.addEventListener(name, value);
  else if (value === undefined || value === null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, `${value}`);
}

/** Change a text only where it differs, because each change costs a layout. */
export function write(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Icons on a grid of 20 × 20, as the `d` of one stroked path. */
const ICONS = {
  alert: "M10 6v4.5M10 13.5h.01M17.5 10a7.5 7.5 0 1 1-15 0 7.5 7.5 0 0 1 15 0Z",
  archive: "M3 4h14v3.5H3ZM4.5 7.5V16h11V7.5M8 10.5h4",
  back: "m12 4.5-5.5 5.5 5.5 5.5",
  bell: "M10 2.5a5 5 0 0 0-5 5c0 4-1.2 5.3-1.8 6-.4.4-.1 1 .5 1h12.6c.6 0 .9-.6.5-1-.6-.7-1.8-2-1.8-6a5 5 0 0 0-5-5ZM8 17a2.7 2.7 0 0 0 4 0",
  check: "m4 10.5 4 4 8-9",
  close: "m5 5 10 10M15 5 5 15",
  delete: "M3.5 5.5h13M8 5.5V3h4v2.5M5 5.5l.7 11h8.6l.7-11M8.3 8.5v5M11.7 8.5v5",
  dot: "M14 10a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z",
  inbox: "M3 11.5 5.5 4h9l2.5 7.5V16H3ZM3 11.5h4a3.1 3.1 0 0 0 6 0h4",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  readAll: "m2 10.5 4 4 8-9M9.5 14l.5.5 8-9",
  settings: "M3 6h7.5M15 6h2M3 14h2M9.5 14H17M15 6a2.25 2.25 0 1 1-4.5 0A2.25 2.25 0 0 1 15 6ZM9.5 14A2.25 2.25 0 1 1 5 14a2.25 2.25 0 0 1 4.5 0Z",
  up: "M10 16V4.5M5 9l5-5 5 5",
} as const;

export type Icon = keyof typeof ICONS;

/** Create an icon. Assistive technology ignores it: the element around it has the name. */
export function icon(name: Icon): SVGSVGElement {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag)) as [any, any];
  set(svg, "viewBox", "0 0 20 20");
  set(svg, "aria-hidden", "true");
  set(path, "d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Create a button that shows only an icon. */
export function iconButton(name: Icon, label: string, part: string, click?: () => void): HTMLButtonElement {
  return h("button", { part: `icon ${part}`, "aria-label": label, title: label, ...(click && { click }) }, icon(name));
}

/** Make `elements` the children of `parent`, and move only those that are not in place. */
export function arrange(parent: Element, elements: readonly Element[]): void {
  const kept = new Set(elements);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const element of elements) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}

/** Return the element that has the focus in the shadow root of an element. */
export function focused(within: Element): HTMLElement | null {
  return (within.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
}
