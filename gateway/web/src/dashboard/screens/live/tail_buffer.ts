/** The newest rows of a tail: a bounded number, and a count of those that were dropped. */

export const MAX_ROWS = 1000;

/** What a buffer needs to know of a row. Ids sort by time: those of events are UUIDs of version 7. */
export interface Identified {
  readonly id: string;
}

/**
 * A bounded buffer of rows, newest first.
 *
 * While it is held, `rows` does not change, so that a reader is not interrupted. What arrives waits, and is bounded in
 * the same way.
 */
export class TailBuffer<T extends Identified> {
  /** The rows to show. Each change makes a new array. */
  rows: readonly T[] = [];
  /** How many rows left the buffer because newer ones arrived. */
  dropped = 0;
  #waiting: readonly T[] = [];
  #held = false;
  readonly #limit: number;
  #known = new Set<string>();

  constructor(limit = MAX_ROWS) {
    this.#limit = limit;
  }

  /** How many rows arrived while the buffer is held. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether `rows` is kept as it is. */
  get held(): boolean {
    return this.#held;
  }

  /** Add rows in any order. A row that the buffer has already is ignored. */
  add(rows: readonly T[]): void {
    const fresh = rows.filter(({ id }) => !this.#known.has(id) && this.#known.add(id));
    if (fresh.length === 0) return;
    if (this.#held) this.#waiting = this.#bounded([...fresh, ...this.#waiting]);
    else this.rows = this.#bounded([...fresh, ...this.rows]);
  }

  /** Keep `rows` as it is until `release`. */
  hold(): void {
    this.#held = true;
  }

  /** Show what waits, and what arrives from now on. */
  release(): void {
    this.#held = false;
    if (this.#waiting.length === 0) return;
    this.rows = this.#bounded([...this.#waiting, ...this.rows]);
    this.#waiting = [];
  }

  /** Remove all rows and the count of dropped ones. */
  clear(): void {
    this.rows = this.#waiting = [];
    this.dropped = 0;
    this.#known.clear();
  }

  #bounded(rows: T[]): T[] {
    rows.sort((a, b) => (a.id < b.id ? 1 : -1));
    const cut = rows.splice(this.#limit);
    for (const { id } of cut) this.#known.delete(id);
    this.dropped += cut.length;
    return rows;
  }
}
