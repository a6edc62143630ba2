import { retryDelayMs } from "./backoff.ts";

const STABLE_MS = 10_000; // after a connection that lasted this long, the back-off starts from the beginning

/** When the next connection is opened: after a back-off, and after the wait that the server asked for. */
export class Retry {
  #open: () => void;
  #attempts = 0;
  #liveSince = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = 0;
  #notBefore = 0;

  constructor(open: () => void) {
    this.#open = open;
  }

  /** Whether it is time for the next attempt. The timer of a hidden page may be late. */
  get due(): boolean {
    return Date.now() >= this.#at;
  }

  /** Forget all failures: the next one is the first. */
  reset(): void {
    this.#attempts = this.#notBefore = 0;
  }

  /** A connection is ready. */
  connected(): void {
    this.#liveSince = Date.now();
  }

  /**
   * A connection has ended, or could not be made.
   *
   * Attempts are counted until a connection has lasted, not until one was made: a server that accepts all clients and
   * crashes under them must not get all of them back at once.
   */
  ended(): void {
    if (Date.now() - this.#liveSince >= STABLE_MS) this.#attempts = 0;
    this.#liveSince = Infinity;
  }

  /** Open the next connection after the back-off, and return its milliseconds. */
  later(askedForMs = 0): number {
    const ms = Math.round(retryDelayMs(this.#attempts++, askedForMs));
    this.#notBefore = Date.now() + askedForMs;
    this.#at = Date.now() + ms;
    this.#openAfter(ms);
    return ms;
  }

  /** Skip the rest of the back-off, but not the wait that the server asked for. */
  hurry(): void {
    this.#openAfter(Math.max(0, this.#notBefore - Date.now()));
  }

  /** Open nothing until `later` or `hurry` is called. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#at = 0;
  }

  #openAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#open, ms);
  }
}
