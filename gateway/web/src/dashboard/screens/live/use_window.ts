/** Which rows of a long list are in view. Only these are rendered, so that a full list costs as little as a short one. */

import type { RefObject } from "preact";
import { useEffect, useReducer } from "preact/hooks";

/** The heights of rows in live.css, and the width below which rows have two lines. */
const ROW_PX = 36;
const TALL_ROW_PX = 56;
const TALL = "(max-width: 900px)";

/** How many rows are rendered beyond each edge, for scrolling and for the arrow keys. */
const BEYOND = 12;

export interface Window {
  readonly start: number;
  readonly end: number;
  readonly rowPx: number;
}

/** Return the rows to render in an element that scrolls. */
export function useWindow(scroller: RefObject<HTMLElement | null>, count: number): Window {
  const [, render] = useReducer((times: number, _: void) => times + 1, 0);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const changed = () => render();
    const sized = new ResizeObserver(changed);
    sized.observe(element);
    element.addEventListener("scroll", changed, { passive: true });
    return () => {
      sized.disconnect();
      element.removeEventListener("scroll", changed);
    };
  }, []);
  const rowPx = matchMedia(TALL).matches ? TALL_ROW_PX : ROW_PX;
  const { scrollTop = 0, clientHeight = 0 } = scroller.current ?? {};
  return windowOf(scrollTop, clientHeight || innerHeight, rowPx, count);
}

/** Return the rows in view and those near it. */
export function windowOf(top: number, height: number, rowPx: number, count: number): Window {
  const first = Math.floor(top / rowPx);
  const start = Math.max(0, Math.min(first, count) - BEYOND);
  return { start, end: Math.min(count, first + Math.ceil(height / rowPx) + BEYOND), rowPx };
}
