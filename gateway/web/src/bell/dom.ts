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

const SVG = "http://www.w3.org/2000/svg";

/** Create an icon from the `d` of one stroked path on a grid of 20 × 20. The element around it has a name. */
export function drawing(d: string): Element {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  set(svg, "viewBox", "0 0 20 20");
  set(svg, "aria-hidden", "true");
  set(path, "d", d);
  svg.append(path);
  return svg;
}

export const CLOSE = "m5 5 10 10M15 5 5 15";

export const BELL =
  "M10 2.5a5 5 0 0 0-5 5c0 4-1.2 5.3-1.8 6-.4.4-.1 1 .5 1h12.6c.6 0 .9-.6.5-1-.6-.7-1.8-2-1.8-6a5 5 0 0 0-5-5ZM8 17a2.7 2.7 0 0 0 4 0";

/** Return the element that has the focus in the shadow root of an element. */
export function focused(within: Element): HTMLElement | null {
  return (within.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
}
