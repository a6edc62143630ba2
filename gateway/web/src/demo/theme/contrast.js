const LEAST = 4.5; // WCAG 2.2, 1.4.3

/** Return the contrast of two colours, `#rrggbb` each (WCAG 2.2). */
export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Return the mix of two colours, `share` of the first one. */
export function mix(one, other, share) {
  const [first, second] = [partsOf(one), partsOf(other)];
  const parts = first.map((part, place) => Math.round(part * share + second[place] * (1 - share)));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function partsOf(colour) {
  return [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
}

function luminance(colour) {
  const [red, green, blue] = partsOf(colour).map((byte) => {
    const part = byte / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Return a sentence for each pair of colours that is hard to read. `valueOf` returns the colour of a variable. */
export function warnings(valueOf) {
  const pairs = [
    ["text", "background", "Text on the background"],
    ["text-quiet", "background", "Quiet text on the background"],
    ["text", "unread", "Text of unread notifications"],
  ];
  return pairs
    .map(([one, other, what]) => [what, contrast(valueOf(one), valueOf(other))])
    .filter(([, found]) => found < LEAST)
    .map(([what, found]) => `${what} has a contrast of ${found.toFixed(1)} : 1. At least ${LEAST} : 1 is needed to read it well.`);
}
