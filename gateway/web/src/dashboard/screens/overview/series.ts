/** Figures by time as charts and tables need them. */

/** Return the times, in unix seconds, of a series that has a number for each step from its start. */
export function withinMinutes({ start, step_seconds: step, series }: { start: string; step_seconds: number; series: Record<string, readonly number[]> }): number[] {
  const first = Date.parse(start) / 1000;
  const length = Math.max(0, ...Object.values(series).map((numbers) => numbers.length));
  return Array.from({ length }, (_, index) => first + index * step);
}
