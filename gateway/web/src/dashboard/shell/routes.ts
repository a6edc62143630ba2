/** Which screen an address names. */

import { PROJECT_SCREENS, type Screen, SETTINGS_SCREENS } from "../screens.ts";

export interface Found {
  area: "project" | "settings";
  screen: Screen;
  projectId: string;
  rest: string[];
}

/** Return the screen of a path, null if there is none. */
export function find(path: string): Found | null {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const [area, second] = parts;
  if (area === "projects" && second) return within("project", PROJECT_SCREENS, second, parts.slice(2));
  if (area === "settings") return within("settings", SETTINGS_SCREENS, "", parts.slice(1));
  return null;
}

function within(area: Found["area"], screens: readonly Screen[], projectId: string, [name, ...rest]: string[]): Found | null {
  const screen = screens.find(({ path }) => path === name);
  return screen ? { area, screen, projectId, rest } : null;
}
