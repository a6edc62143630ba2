/**
 * The theme of the `inbox` integration as a form.
 *
 * The integration wants all fields of a part together. A field that is not set has the value "inherit", for which the
 * bell has its own look. What the form does not show stays as it was saved.
 */

import { t } from "../../core/text.ts";

export interface ThemeField {
  readonly path: string;
  readonly label: string;
  readonly kind: "colour" | "length" | "font";
  readonly placeholder?: string;
}

export interface ThemeGroup {
  readonly title: string;
  readonly fields: readonly ThemeField[];
}

const colour = (path: string, label: string): ThemeField => ({ path, label, kind: "colour" });
const length = (path: string, label: string, placeholder: string): ThemeField => ({ path, label, kind: "length", placeholder });

export const GROUPS: readonly ThemeGroup[] = [
  {
    title: t("Colours"),
    fields: [
      colour("dialog.accentColor", t("Accent")),
      colour("notification.default.backgroundColor", t("Background")),
      colour("notification.default.textColor", t("Text")),
      colour("header.backgroundColor", t("Header")),
      colour("header.textColor", t("Text of the header")),
    ],
  },
  {
    title: t("Notifications"),
    fields: [
      colour("notification.unread.backgroundColor", t("Unread")),
      colour("notification.unread.state.color", t("Dot")),
      colour("notification.default.hover.backgroundColor", t("Hover")),
    ],
  },
  {
    title: t("Bell"),
    fields: [
      colour("icon.borderColor", t("Bell")),
      colour("unseenBadge.backgroundColor", t("Badge")),
      length("icon.width", t("Size of the bell"), "20px"),
    ],
  },
  {
    title: t("Type and corners"),
    fields: [
      { path: "header.fontFamily", label: t("Font"), kind: "font", placeholder: t("Same as the page") },
      length("notification.default.fontSize", t("Text size"), "14px"),
      length("header.borderRadius", t("Corners"), "12px"),
    ],
  },
];

export const FIELDS: readonly ThemeField[] = GROUPS.flatMap(({ fields }) => fields);

/** Values by path, without those that are not set. */
export type Values = Readonly<Record<string, string>>;

type Tree = { [name: string]: Tree | string | number };

const UNSET = "inherit";

/** What the integration wants in each part of a theme. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  dialog: ["accentColor", "backgroundColor", "textColor"],
  header: ["backgroundColor", "borderRadius", "fontFamily", "fontSize", "textColor"],
  icon: ["borderColor", "width"],
  "notification.default": ["backgroundColor", "borderRadius", "fontFamily", "fontSize", "margin", "textColor"],
  "notification.unread": ["backgroundColor", "textColor"],
  "notification.unseen": ["backgroundColor", "textColor"],
  unseenBadge: ["backgroundColor"],
};

function at(theme: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((part, name) => (part as Tree | null | undefined)?.[name], theme);
}

function put(theme: Tree, path: string, value: string): void {
  const names = path.split(".");
  const last = names.pop() as string;
  let part = theme;
  for (const name of names) {
    if (typeof part[name] !== "object") part[name] = {};
    part = part[name] as Tree;
  }
  part[last] = value;
}

function remove(theme: Tree, path: string): void {
  const place = path.split(".");
  const last = place.pop() as string;
  const parent = place.length ? at(theme, place.join(".")) : theme;
  if (typeof parent === "object" && parent !== null) delete (parent as Tree)[last];
}

/** Return the values of the form for a saved theme. */
export function valuesOf(theme: unknown): Values {
  const found = FIELDS.map(({ path }) => [path, at(theme, path)] as const);
  return Object.fromEntries(found.filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== UNSET));
}

/** Return a saved theme with the values of the form. Null if nothing is left of it. */
export function themeOf(values: Values, saved: unknown): Tree | null {
  const theme = structuredClone((saved ?? {}) as Tree);
  for (const { path } of FIELDS) {
    const value = values[path]?.trim();
    if (value) put(theme, path, value);
    else if (at(theme, path) !== undefined) put(theme, path, UNSET);
  }
  for (const nested of ["notification.default.hover.backgroundColor", "notification.unread.state.color"])
    if (at(theme, nested) === UNSET) remove(theme, nested.split(".").slice(0, -1).join("."));
  for (const [part, names] of Object.entries(PARTS)) {
    const found = at(theme, part) as Tree | undefined;
    if (!found) continue;
    if (Object.values(found).every((value) => value === UNSET)) remove(theme, part);
    else for (const name of names) found[name] ??= UNSET;
  }
  complete(theme);
  return Object.keys(theme).length ? theme : null;
}

/** Add the parts of `notification` that the integration wants beside another one. */
function complete(theme: Tree): void {
  const notification = theme["notification"] as Tree | undefined;
  if (!notification) return;
  if (!Object.keys(notification).length) return void delete theme["notification"];
  for (const part of ["default", "unread", "unseen"]) {
    const names = PARTS[`notification.${part}`] ?? [];
    notification[part] ??= Object.fromEntries(names.map((name) => [name, UNSET]));
  }
}

/** Themes to begin with. */
export const PRESETS: Readonly<Record<string, Values>> = {
  [t("Forest")]: {
    "dialog.accentColor": "#0d6f5c",
    "notification.default.backgroundColor": "#fbfdfb",
    "notification.default.textColor": "#14231d",
    "notification.unread.backgroundColor": "#edf7f2",
    "unseenBadge.backgroundColor": "#0d6f5c",
    "header.borderRadius": "8px",
  },
  [t("Clay")]: {
    "dialog.accentColor": "#b4481e",
    "notification.default.backgroundColor": "#fffaf5",
    "notification.default.textColor": "#2b1a12",
    "notification.unread.backgroundColor": "#fdf0e4",
    "unseenBadge.backgroundColor": "#b4481e",
    "header.borderRadius": "4px",
  },
  [t("Midnight")]: {
    "dialog.accentColor": "#7c9cff",
    "notification.default.backgroundColor": "#0e1428",
    "notification.default.textColor": "#e8ecff",
    "notification.unread.backgroundColor": "#16203f",
    "icon.borderColor": "#5b6fc4",
    "header.borderRadius": "16px",
  },
};
