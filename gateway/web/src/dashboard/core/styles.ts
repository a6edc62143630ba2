/** Styles of a screen or part, which are loaded with it. */

/** Apply a style sheet, once. */
export function adoptStyles(text: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  document.adoptedStyleSheets.push(sheet);
}
