import type { End } from "./transports.ts";
import type { Transport } from "./types.ts";

const ALL: readonly Transport[] = ["websocket", "sse", "poll"];

const TRY_BETTER_MS = 600_000;

/**
 * Which transport is used next. If one does not reach the gateway, the next one is tried at once, as some proxies let
 * only some of them through. What works is remembered for this tab. The first one is tried again when the network
 * changes, when all have failed, and when a connection ends after some minutes: it may have failed for another reason.
 */
export class TransportChoice {
  #transports: readonly Transport[];
  #key: string;
  #index: number;
  #chosenAt = Date.now();
  #overStream = false;

  constructor(url: string, transports: readonly Transport[] = ALL) {
    if (!transports.length || transports.some((name) => !ALL.includes(name))) throw new TypeError(`transports may be ${ALL}`);
    this.#transports = transports;
    this.#key = `inbox-transport ${url}`;
    this.#index = Math.max(0, transports.indexOf(remembered(this.#key) as Transport));
  }

  get next(): Transport {
    return this.#overStream ? "sse" : (this.#transports[this.#index] as Transport);
  }

  /** Remember that a connection became ready. */
  worked(): void {
    remembered(this.#key, this.#transports[this.#index]);
  }

  /** Note why a connection ended, and return whether another transport should be tried at once. */
  failed({ code = 0, httpStatus, silent = false, untried }: End, wasReady: boolean): boolean {
    // A WebSocket delivers a message when it is complete, so a large event on a slow line looks like minutes
    // of silence. An event stream delivers each part. After a silence one connection is therefore an event
    // stream, through which such an event arrives.
    this.#overStream = silent && !this.#overStream && this.next === "websocket" && this.#transports.includes("sse");
    // A response of the gateway, even a refusal, shows that the transport works.
    if (wasReady || code >= 4000 || httpStatus || untried) {
      if (Date.now() - this.#chosenAt > TRY_BETTER_MS) this.#index = 0;
      return false;
    }
    this.#chosenAt = Date.now();
    this.#index = (this.#index + 1) % this.#transports.length;
    return this.#index > 0;
  }

  /** Begin with the first transport again: the network is another one. */
  reset(): void {
    this.#index = 0;
  }
}

/** Return or replace what is stored for this tab; undefined outside browsers, and where the browser forbids it. */
function remembered(key: string, value?: string): string | null | undefined {
  try {
    if (value) sessionStorage.setItem(key, value);
    return sessionStorage.getItem(key);
  } catch {
    return undefined;
  }
}
