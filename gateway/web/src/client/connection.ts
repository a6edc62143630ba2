import type { ServerMessage } from "./messages.ts";
import type { End, OpenTransport, Receiver } from "./transports.ts";

const CONNECT_TIMEOUT_MS = 10_000; // the server allows the same time for authentication
const SILENT_HEARTBEATS = 2.5; // defined by the protocol: after so many heartbeats of silence the peer is dead

/**
 * A connection from its opening to its end, with all of its timers.
 *
 * `onEnd` is called once. No callback is called after it, and none at all after `abandon`.
 */
export class Connection {
  #transport: OpenTransport;
  #onEnd: (why: End) => void;
  #over = false;
  #receivedAt = Date.now(); // wall clock, since others stop while a laptop sleeps; a jump costs one needless resume
  #heartbeatMs = Infinity;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    open: (receiver: Receiver) => OpenTransport,
    { onMessage, onEnd }: { onMessage(message: ServerMessage): void; onEnd(why: End): void },
  ) {
    this.#onEnd = onEnd;
    this.#watch(CONNECT_TIMEOUT_MS, { reason: "no response in time" });
    this.#transport = open({
      received: () => (this.#receivedAt = Date.now()),
      message: (message) => this.#over || onMessage(message),
      end: (why) => this.end(why),
    });
  }

  /** Whether nothing was received for longer than a heartbeat, with a tolerance for late ones. */
  get silent(): boolean {
    return Date.now() - this.#receivedAt > 1.2 * this.#heartbeatMs;
  }

  /** Send heartbeats, and end the connection when the server's stop. Call this after `ready`. With 0 there are none. */
  keepAlive(heartbeatSeconds: number): void {
    this.#clearTimers();
    if (!heartbeatSeconds) return;
    this.#heartbeatMs = heartbeatSeconds * 1000;
    const ping = () => {
      this.send({ type: "ping" });
      this.#pingTimer = setTimeout(ping, this.#heartbeatMs);
    };
    this.#watch(SILENT_HEARTBEATS * this.#heartbeatMs, { reason: "the server sends nothing", silent: true });
    // The first ping is sent at a random time, or all clients that reconnected together would ping together.
    this.#pingTimer = setTimeout(ping, Math.random() * this.#heartbeatMs);
  }

  /** Send a message, and return whether this transport can send messages. */
  send(message: object): boolean {
    return this.#transport.send(message);
  }

  end(why: End): void {
    if (this.#over) return;
    this.abandon();
    this.#onEnd(why);
  }

  abandon(): void {
    this.#over = true;
    this.#clearTimers();
    this.#transport.close();
  }

  /** End the connection when nothing was received for so long. */
  #watch(ms: number, why: End): void {
    this.#receivedAt = Math.min(this.#receivedAt, Date.now()); // the clock may have been set back
    const leftMs = this.#receivedAt + ms - Date.now();
    if (leftMs <= 0) this.end(why);
    else this.#deadline = setTimeout(() => this.#watch(ms, why), leftMs);
  }

  #clearTimers(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#pingTimer);
  }
}
