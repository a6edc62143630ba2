/** Light or dark: as the system has it, unless this browser was told otherwise. */

import { createStore, useStore } from "./store.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "inbox-admin-theme";

const theme = createStore<Theme>("system");

/** Apply the theme that this browser remembers. */
export function startTheme(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // Storage is blocked. The system's theme applies.
  }
  apply(kept === "light" || kept === "dark" ? kept : "system");
}

function apply(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  theme.set(chosen);
}

/** Choose a theme, and remember it. */
export function setTheme(chosen: Theme): void {
  apply(chosen);
  try {
    if (chosen === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is blocked. The theme applies until the page is left.
  }
}

/** Return the chosen theme. */
export function useTheme(): Theme {
  return useStore(theme);
}

/** Return whether the page is dark at this moment. */
export function isDark(): boolean {
  const chosen = theme.get();
  return chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}
