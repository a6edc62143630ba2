/**
 * What the panel, the settings and the toasts have in common with the script of the bell, which loads them. build.mjs
 * replaces their imports of these modules by what is found here, so that no browser loads the same code twice.
 */

import { load } from "./assets.ts";
import { BELL, CLOSE, drawing, focused, h, set, write } from "./dom.ts";
import { SKELETON_AFTER_MS, skeleton } from "./frame.ts";
import { place } from "./place.ts";
import { adopt } from "./styles.ts";

const SHARED = { BELL, CLOSE, SKELETON_AFTER_MS, adopt, drawing, focused, h, load, place, set, skeleton, write };

/** Make it available to those files. A page may load two versions of the bell, each with files of its own. */
export function share(): void {
  (globalThis as { [key: symbol]: typeof SHARED })[Symbol.for(`inbox-bell@${__VERSION__}`)] = SHARED;
}
