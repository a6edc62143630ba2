/**
 * The variables of the bell, as controls: `colour`, or `length` from `least` to `most` pixels, or `font`.
 *
 * A colour that is not chosen has a default, or is a mix of the text and the background, with this `share` of the text.
 */
export const GROUPS = [
  {
    title: "Colours",
    variables: [
      { name: "accent", label: "Accent", kind: "colour", light: "#3e63dd", dark: "#3e63dd" },
      { name: "background", label: "Background", kind: "colour", light: "#ffffff", dark: "#18191b" },
      { name: "text", label: "Text", kind: "colour", light: "#1c2024", dark: "#edeef0" },
      { name: "text-quiet", label: "Quiet text", kind: "colour", share: 0.7 },
      { name: "line", label: "Lines", kind: "colour", share: 0.16 },
      { name: "hover", label: "Hover", kind: "colour", share: 0.06 },
      { name: "unread", label: "Unread", kind: "colour", share: 0 },
      { name: "badge", label: "Badge", kind: "colour", light: "#ce2c31", dark: "#ce2c31" },
      { name: "icon", label: "Bell", kind: "colour", light: "#1c2024", dark: "#edeef0" },
    ],
  },
  {
    title: "Type and size",
    variables: [
      { name: "font", label: "Font", kind: "font", initial: "inherit" },
      { name: "font-size", label: "Text size", kind: "length", initial: 14, least: 12, most: 18 },
      { name: "radius", label: "Corners", kind: "length", initial: 12, least: 0, most: 24 },
      { name: "icon-size", label: "Bell size", kind: "length", initial: 20, least: 14, most: 32 },
      { name: "width", label: "Width", kind: "length", initial: 400, least: 300, most: 560 },
      { name: "height", label: "Height", kind: "length", initial: 600, least: 320, most: 800 },
    ],
  },
];

export const VARIABLES = GROUPS.flatMap(({ variables }) => variables);

export const FONTS = {
  "That of the page": "inherit",
  "System": "system-ui, sans-serif",
  "Serif": "Georgia, 'Times New Roman', serif",
  "Monospace": "ui-monospace, Menlo, Consolas, monospace",
};

/** Themes to begin with: values by the name of a variable. */
export const PRESETS = {
  Default: {},
  Forest: { accent: "#0d6f5c", background: "#fbfdfb", text: "#14231d", unread: "#edf7f2", badge: "#0d6f5c", radius: "8px" },
  Clay: { accent: "#b4481e", background: "#fffaf5", text: "#2b1a12", unread: "#fdf0e4", badge: "#b4481e", font: FONTS.Serif, radius: "4px" },
  Midnight: { accent: "#7c9cff", background: "#0e1428", text: "#e8ecff", unread: "#16203f", badge: "#e5484d", icon: "#5b6fc4", radius: "16px" },
  Terminal: { accent: "#3dd68c", background: "#0b0f0c", text: "#d5f5e0", "text-quiet": "#8fb39d", unread: "#0f1a13", badge: "#3dd68c", icon: "#218358", font: FONTS.Monospace, "font-size": "13px", radius: "0px" },
};
