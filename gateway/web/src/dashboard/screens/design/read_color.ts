/** Reading colours as the browser does. */

import type { ReadColor } from "../../../bell/theme.ts";

let context: CanvasRenderingContext2D | null | undefined;

/** Return a colour as the browser writes it, `#rrggbb` if it is opaque; undefined for what is none. */
export const readColor: ReadColor = (text) => {
  context ??= document.createElement("canvas").getContext("2d");
  const canvas = context;
  if (!canvas || /current/i.test(text)) return undefined;
  // A canvas keeps its colour when it is set to what is none, so it is set on two grounds.
  const [one, other] = ["#000000", "#ffffff"].map((ground) => {
    canvas.fillStyle = ground;
    canvas.fillStyle = text;
    return canvas.fillStyle;
  });
  return one === other ? one : undefined;
};
