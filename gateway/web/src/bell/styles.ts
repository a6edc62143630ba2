import styles from "./styles.css";
import tokens from "./tokens.css";

let shared: CSSStyleSheet | undefined;

/** Return the style sheet of all elements. A page with a strict policy allows it, unlike a <style>. */
export function sheet(): CSSStyleSheet {
  if (!shared) {
    shared = new CSSStyleSheet();
    shared.replaceSync(tokens + styles);
  }
  return shared;
}

/** Add a style sheet that was loaded later to a shadow root. */
export function adopt(root: ShadowRoot, sheet: CSSStyleSheet): void {
  const { adoptedStyleSheets } = root;
  if (!adoptedStyleSheets.includes(sheet)) adoptedStyleSheets.push(sheet);
}
