/** Styles of a screen or part, which are loaded with it. */

import { useLayoutEffect, useState } from "preact/hooks";

const inUse = new Map<string, { sheet: CSSStyleSheet; users: number }>();

/** Apply the style sheet of a part, once and for good. Its rules must concern the part alone. */
export function adoptStyles(text: string): void {
  document.adoptedStyleSheets.push(sheetOf(text));
}

/** Apply a style sheet while a screen is shown: from its first rendering on, since what it contains may be measured. */
export function useStyles(text: string): void {
  useState(() => begin(text));
  useLayoutEffect(() => () => end(text), []);
}

function begin(text: string): void {
  const found = inUse.get(text);
  if (found) {
    found.users += 1;
    return;
  }
  const sheet = sheetOf(text);
  inUse.set(text, { sheet, users: 1 });
  document.adoptedStyleSheets.push(sheet);
}

function end(text: string): void {
  const found = inUse.get(text);
  if (!found || --found.users) return;
  inUse.delete(text);
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== found.sheet);
}

function sheetOf(text: string): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}
