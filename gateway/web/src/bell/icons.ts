import { BELL, CLOSE, drawing, h } from "./dom.ts";

const ICONS = {
  alert: "M10 6v4.5M10 13.5h.01M17.5 10a7.5 7.5 0 1 1-15 0 7.5 7.5 0 0 1 15 0Z",
  archive: "M3 4h14v3.5H3ZM4.5 7.5V16h11V7.5M8 10.5h4",
  back: "m12 4.5-5.5 5.5 5.5 5.5",
  bell: BELL,
  check: "m4 10.5 4 4 8-9",
  close: CLOSE,
  delete: "M3.5 5.5h13M8 5.5V3h4v2.5M5 5.5l.7 11h8.6l.7-11M8.3 8.5v5M11.7 8.5v5",
  dot: "M14 10a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z",
  inbox: "M3 11.5 5.5 4h9l2.5 7.5V16H3ZM3 11.5h4a3.1 3.1 0 0 0 6 0h4",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  readAll: "m2 10.5 4 4 8-9M9.5 14l.5.5 8-9",
  settings: "M3 6h7.5M15 6h2M3 14h2M9.5 14H17M15 6a2.25 2.25 0 1 1-4.5 0A2.25 2.25 0 0 1 15 6ZM9.5 14A2.25 2.25 0 1 1 5 14a2.25 2.25 0 0 1 4.5 0Z",
  up: "M10 16V4.5M5 9l5-5 5 5",
} as const;

export type Icon = keyof typeof ICONS;

export const icon = (name: Icon) => drawing(ICONS[name]);

/** Create a button that shows only an icon. */
export function iconButton(name: Icon, label: string, part: string, click?: () => void): HTMLButtonElement {
  return h("button", { part: `icon ${part}`, "aria-label": label, title: label, ...(click && { click }) }, icon(name));
}
