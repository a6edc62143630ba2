/** Contrasts of a theme in the light and in the dark look (WCAG 2.2, 1.4.3 and 1.4.11), and the same theme as CSS. */

import { type ReadColor, variablesOf } from "../../../bell/theme.ts";
import { t } from "../../core/text.ts";

export type Look = "light" | "dark";

const TEXT = 4.5;
const SIGN = 3;

/** What the bell has without a theme (tokens.css). */
const DEFAULTS: Record<Look, { background: string; text: string }> = {
  light: { background: "#ffffff", text: "#1c2024" },
  dark: { background: "#18191b", text: "#edeef0" },
};
const ACCENT = "#3e63dd";
const QUIET_SHARE = 0.7;

export interface Weakness {
  readonly look: Look | "both";
  readonly what: string;
  readonly ratio: number;
  readonly least: number;
}

type Rgb = readonly [number, number, number];

function rgb(color: string): Rgb {
  return [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16)) as unknown as Rgb;
}

function luminance(color: string): number {
  const [red, green, blue] = rgb(color).map((byte) => {
    const part = byte / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Return the contrast of two colours, `#rrggbb` each: 1 to 21. */
export function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Return the mix of two colours, `share` of the first. */
export function mix(one: string, other: string, share: number): string {
  const [first, second] = [rgb(one), rgb(other)];
  const parts = first.map((part, place) => Math.round(part * share + (second[place] as number) * (1 - share)));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

const isPlain = (color: string | undefined): color is string => /^#[0-9a-f]{6}$/i.test(color ?? "");

/** Return the pairs of colours that are hard to tell apart. Pairs that the bell chooses itself are always readable. */
export function weaknesses(theme: unknown, read: ReadColor): Weakness[] {
  const own = variablesOf(theme, read);
  const given = (name: string) => (isPlain(own[name]) ? own[name] : undefined);
  const found: Weakness[] = [];
  for (const look of ["light", "dark"] as const) {
    const background = given("background") ?? DEFAULTS[look].background;
    // A text that follows from the background is black or white, whichever is easier to read.
    const onBackground = contrast("#000000", background) > contrast("#ffffff", background) ? "#000000" : "#ffffff";
    const text = given("text") ?? (own["background"] ? onBackground : DEFAULTS[look].text);
    const pairs: [string, string | undefined, string | undefined, number][] = [
      [t("Text on the background"), text, background, TEXT],
      [t("Quiet text on the background"), mix(text, background, QUIET_SHARE), background, TEXT],
      [t("Text of unread notifications"), text, given("unread"), TEXT],
      [t("Text under the pointer"), text, given("hover"), TEXT],
      [t("Title in the header"), given("header-text") ?? (own["header"] ? undefined : text), given("header") ?? background, TEXT],
      [t("Dot of unread notifications"), given("dot") ?? given("accent") ?? ACCENT, given("unread") ?? background, SIGN],
    ];
    for (const [what, front, ground, least] of pairs) {
      if (!front || !ground) continue;
      const ratio = contrast(front, ground);
      if (ratio < least) found.push({ look, what, ratio, least });
    }
  }
  return merged(found);
}

/** Return weaknesses that both looks have as one. */
function merged(found: readonly Weakness[]): Weakness[] {
  const [light, dark] = (["light", "dark"] as const).map((look) => found.filter((each) => each.look === look));
  const same = (one: Weakness, other: Weakness) => one.what === other.what && one.ratio === other.ratio;
  const isInBoth = (one: Weakness) => light!.some((each) => same(each, one)) && dark!.some((each) => same(each, one));
  return [
    ...light!.map((each) => (isInBoth(each) ? { ...each, look: "both" as const } : each)),
    ...dark!.filter((each) => !isInBoth(each)),
  ];
}

/** Variables that a page can set. The bell has others for the integration alone. */
const PUBLIC: Readonly<Record<string, string>> = {
  accent: "accent",
  background: "background",
  text: "text",
  hover: "hover",
  unread: "unread",
  badge: "badge",
  icon: "icon",
  "icon-size": "icon-size",
  font: "font",
  size: "font-size",
  radius: "radius",
};

/** Return a theme as the style sheet of a page, which wins over the integration. */
export function cssOf(theme: unknown, read: ReadColor): string {
  const own = variablesOf(theme, read);
  const lines = Object.entries(own).filter(([name]) => PUBLIC[name]).map(([name, value]) => `  --inbox-${PUBLIC[name]}: ${value};`);
  return lines.length ? `inbox-bell,\ninbox-list {\n${lines.join("\n")}\n}\n` : "/* The look of the bell as it is: there is nothing to add. */\n";
}
