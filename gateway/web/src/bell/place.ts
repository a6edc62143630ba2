const GAP = 8;

/** Place an open popover below an element, or above it where there is more room, within the window. */
export function place(popover: HTMLElement, anchor: Element, most = popover.scrollHeight): void {
  const box = anchor.getBoundingClientRect();
  const { width } = popover.getBoundingClientRect();
  // The boxes are as the window has them, and what is set below is scaled by `zoom` of the page.
  const zoom = (popover as { currentCSSZoom?: number }).currentCSSZoom || 1;
  const wanted = most * zoom;
  const across = document.documentElement.clientWidth;
  const [below, above] = [innerHeight - box.bottom - 2 * GAP, box.top - 2 * GAP];
  const up = below < Math.min(wanted, 360) && above > below;
  const height = Math.min(wanted, up ? above : below);
  const rtl = getComputedStyle(popover).direction === "rtl";
  const x = rtl ? box.left : box.right - width;
  const y = up ? box.top - GAP - height : box.bottom + GAP;
  const style = { "--x": clamp(x, across - width), "--y": clamp(y, innerHeight), "--height": height };
  for (const [name, value] of Object.entries(style)) popover.style.setProperty(name, `${Math.round(value / zoom)}px`);
}

function clamp(value: number, most: number): number {
  return Math.max(GAP, Math.min(value, most - GAP));
}
