/** The theme of the `inbox` integration as variables of the style sheet (tokens.css). */

/** Reads a colour, and returns it as the browser writes it; undefined for what is none. */
export type ReadColor = (text: string) => string | undefined;

type Read = (text: string) => string | undefined;
type Style = Readonly<Record<string, unknown>>;

const ON = (fill: string) => `lch(from ${fill} calc((49.44 - l) * infinity) 0 0)`;

/**
 * Return the style sheet for a theme. Colours are written as the browser has read them, and never as they were sent:
 * nothing in a theme can be anything but a colour, a length or the name of a font.
 */
export function themeSheet(theme: object): CSSStyleSheet {
  const known = sheets.get(theme);
  if (known) return known;
  const sheet = new CSSStyleSheet();
  sheet.insertRule(":host{}");
  const { style } = sheet.cssRules[0] as CSSStyleRule;
  for (const [name, value] of Object.entries(variablesOf(theme, readColor))) style.setProperty(`--l-${name}`, value);
  sheets.set(theme, sheet);
  return sheet;
}

const sheets = new WeakMap<object, CSSStyleSheet>();

/** Return the variables for a theme, without `--l-`. What is not valid is left out. */
export function variablesOf(theme: unknown, color: ReadColor): Record<string, string> {
  const at = (path: string) =>
    path.split(".").reduce<unknown>((part, name) => (part as Style | null | undefined)?.[name], theme);
  /** Return the first valid value of these places. */
  const first = (read: Read, ...paths: string[]) => {
    for (const path of paths) {
      const value = at(path);
      const found = typeof value === "string" ? read(value.trim()) : undefined;
      if (found) return found;
    }
    return undefined;
  };
  const item = "notification.default";
  const opaque = (text: string) => {
    const read = color(text);
    return read && brightnessOf(read) !== undefined ? read : undefined;
  };
  const background = first(opaque, `${item}.backgroundColor`, "dialog.backgroundColor");
  const header = first(opaque, "header.backgroundColor");
  // A header that is nearly white or black is no brand colour.
  const brand = (text: string) => {
    const read = opaque(text);
    return read && Math.abs(brightnessOf(read)! - 120) < 90 ? read : undefined;
  };
  const found = {
    font: first(fontFamily, "header.fontFamily", `${item}.fontFamily`),
    size: first(length(10, 24), `${item}.fontSize`),
    radius: first(length(0, 32), "header.borderRadius"),
    "icon-size": first(length(12, 40), "icon.width"),
    icon: first(color, "icon.borderColor"),
    background,
    text: first(color, `${item}.textColor`, "dialog.textColor") ?? (background && ON(background)),
    scheme: background && (brightnessOf(background)! > 140 ? "light" : "dark"), // of scroll bars, and of danger
    header,
    "header-text": first(color, "header.textColor") ?? (header && ON(header)),
    accent: first(opaque, "dialog.accentColor") ?? first(brand, "header.backgroundColor"),
    hover: first(color, `${item}.hover.backgroundColor`),
    unread: first(color, "notification.unread.backgroundColor"),
    dot: first(color, "notification.unread.state.color"),
    badge: first(opaque, "unseenBadge.backgroundColor"),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value)) as Record<string, string>;
}

/** Return a function that reads a length within bounds, which are in pixels; 1 rem counts as 16. */
function length(least: number, most: number): Read {
  return (text) => {
    const [, number, unit = ""] = /^(\d{1,4}(?:\.\d{1,4})?)(px|rem|em)?$/.exec(text) ?? [];
    const pixels = Number(number) * (unit.endsWith("em") ? 16 : 1);
    return (unit || pixels === 0) && pixels >= least && pixels <= most ? `${Number(number)}${unit || "px"}` : undefined;
  };
}

function fontFamily(text: string): string | undefined {
  const named = text.split(",").every((name) => FONT.test(name.trim()) && !/^(inherit|initial|unset|revert)/i.test(name.trim()));
  return named && (!globalThis.CSS || CSS.supports("font-family", text)) ? text : undefined;
}

const FONT = /^(["']?)\p{L}[\p{L}\d -]*\1$/u;

/** Return how bright a colour is, from 0 to 255; undefined for one that is not opaque, or not written in sRGB. */
function brightnessOf(color: string): number | undefined {
  const [, ...parts] = /^#(..)(..)(..)$/.exec(color) ?? [];
  if (!parts.length) return undefined;
  const [red, green, blue] = parts.map((part) => parseInt(part, 16)) as [number, number, number];
  return red * 0.299 + green * 0.587 + blue * 0.114;
}

/** Read a colour. A canvas keeps its colour when it is set to what is none, so it is set on two grounds. */
function readColor(text: string): string | undefined {
  const canvas = document.createElement("canvas").getContext("2d");
  if (!canvas || text.length > 100 || /current/i.test(text)) return undefined;
  const read = (ground: string) => {
    canvas.fillStyle = ground;
    canvas.fillStyle = text;
    return canvas.fillStyle;
  };
  const found = read("#000");
  return found === read("#fff") ? found : undefined;
}
