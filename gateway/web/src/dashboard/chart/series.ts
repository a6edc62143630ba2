/** Figures by time as charts and tables need them. */

/** A figure at the beginning of its interval, in unix seconds. */
export type Point<Name extends string> = { readonly at: number } & { readonly [K in Name]?: number | null };

/** Columns of equal length: the times, and a value or null for each name. */
export interface Columns {
  readonly times: number[];
  readonly values: (number | null)[][];
}

/**
 * Return columns with every interval of `step` seconds from `from` to `to`, both inclusive.
 *
 * An interval without a point is `missing`: 0 for what is counted, null for what is measured.
 */
export function columns<Name extends string>(
  points: readonly Point<Name>[],
  names: readonly Name[],
  range: { from: number; to: number; step: number },
  missing: 0 | null = 0,
): Columns {
  const { from, to, step } = range;
  const first = Math.floor(from / step);
  const length = Math.max(0, Math.floor(to / step) - first + 1);
  const values = names.map(() => new Array<number | null>(length).fill(missing));
  for (const point of points) {
    const index = Math.floor(point.at / step) - first;
    if (index < 0 || index >= length) continue;
    names.forEach((name, column) => (values[column]![index] = point[name] ?? missing));
  }
  return { times: Array.from({ length }, (_, index) => (first + index) * step), values };
}

/** Return the sums of neighbouring intervals, so that a long range has at most `most` of them. Null counts as nothing. */
export function merged({ times, values }: Columns, most: number): Columns {
  const size = Math.ceil(times.length / most);
  if (size <= 1) return { times, values };
  const starts = times.filter((_, index) => index % size === 0);
  const sum = (column: (number | null)[], _: number, part: number) =>
    column.slice(part * size, (part + 1) * size).reduce<number | null>((a, b) => (b === null ? a : (a ?? 0) + b), null);
  return { times: starts, values: values.map((column) => starts.map((start, part) => sum(column, start, part))) };
}

/** Return the end of a scale from 0 that holds a value: 1, 2, 4 or 5 times a power of ten, and at least `least`. */
export function niceMax(value: number, least = 4): number {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return (([1, 2, 4, 5, 10].find((factor) => factor * power >= wanted) ?? 10) * power);
}

/** Return the sum of a column; null if it has no value at all. */
export function total(column: readonly (number | null)[]): number | null {
  const known = column.filter((value) => value !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}
