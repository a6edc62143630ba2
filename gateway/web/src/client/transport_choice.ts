import type { End } from "./transports.ts";
import type { Transport } from "./types.ts";

const ALL: readonly Transport[] = ["websocket", "sse", "poll"];

/**
 * Which transport is used next. The first one, unless it fails where another one works, as behind some proxies. What
 * works is remembered for this tab, until it fails or the network changes.
 */
export class TransportChoice {
  #transports: readonly Transport[];
  #key: string;
  #index: number;
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
  failed({ code = 0, httpStatus, silent = false, unreachable }: End, wasReady: boolean): boolean {
    // A WebSocket delivers a message when it is complete, so a large event on a slow line looks like minutes
    // of silence. An event stream delivers each part. After a silence one connection is therefore an event
    // stream, through which such an event arrives.
    this.#overStream = silent && !this.#overStream && this.next === "websocket" && this.#transports.includes("sse");
    // A response of the gateway, even a refusal, shows that the transport works.
    if (wasReady || code >= 4000 || httpStatus) return false;
    const isLast = this.#index + 1 >= this.#transports.length;
    // Where the gateway cannot be reached by `fetch` either, it is down, or the network is.
    this.#index = unreachable || isLast ? 0 : this.#index + 1;
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
