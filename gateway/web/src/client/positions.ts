/** Return how many events lie between two positions; NaN if they are positions in different logs. */
export function stepsBetween(from: string, to: string): number {
  const [before, after] = [parsePosition(from), parsePosition(to)];
  return before.epoch === after.epoch ? after.offset - before.offset : NaN;
}

/** The epoch is opaque to clients and may contain dots. */
function parsePosition(position: string): { epoch: string; offset: number } {
  const dot = position.lastIndexOf(".");
  return { epoch: position.slice(0, dot), offset: Number(position.slice(dot + 1)) };
}
