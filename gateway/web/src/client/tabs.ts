/**
 * One connection a browser: the tabs of one user and gateway choose a leader, whose connection all of them use.
 *
 * The leader holds a Web Lock, for which the others wait. It passes on what its stream receives through a
 * BroadcastChannel, and keeps the newest events. A follower sends its position, and gets `ready` and what it lacks, or
 * `reset`, as from the gateway. It repeats this every few seconds. If the leader does not answer, because it is frozen,
 * a visible follower takes the lock. Positions are compared as with the gateway, so nothing is lost or applied twice,
 * whoever leads.
 *
 * The name of the lock and the channel is a hash: it reveals nothing, and other credentials have another one.
 */

import type { InboxEvent, ServerMessage } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import type { OpenTransport, Receiver } from "./transports.ts";

const KEPT_EVENTS = 100;
const KEPT_LENGTH = 1_000_000; // of all of them as JSON
const ASK_MS = 5_000;
const ANSWER_MS = 1_500; // a leader that runs answers within milliseconds

/** What tabs post: a follower its position, and the leader messages for one follower, or for all. */
interface Post {
  from?: string;
  since?: string | null;
  to?: string | undefined;
  messages?: readonly ServerMessage[];
}

export interface TabsOptions {
  /** The id of this client. */
  id: string;
  share: boolean;
  /** Return `ready` with the present position and counts, or the state while the stream is not live. */
  now(): ServerMessage;
  position(): string | null;
  /** Called when this tab becomes the leader, or is no longer the leader. */
  onChange(): void;
}

export class Tabs {
  /** Whether this tab has a connection of its own. Without Web Locks, which need https or localhost, every tab has. */
  leading: boolean;
  #options: TabsOptions;
  #shared: boolean;
  #channel: BroadcastChannel | undefined;
  #membership: AbortController | undefined; // until it is aborted, this tab waits for the lock, or holds it
  #receiver: Receiver | undefined;
  #joined = false; // whether the leader has answered
  #unanswered = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #events: InboxEvent[] = []; // without gaps, up to the present position
  #lengths: number[] = []; // of each as JSON

  constructor(options: TabsOptions) {
    this.#options = options;
    this.#shared = options.share && !!globalThis.navigator?.locks && !!globalThis.BroadcastChannel;
    this.leading = !this.#shared;
  }

  /** Join the tabs that have the same identity, as a follower at first. */
  async join(identity: string, cancelled: () => boolean): Promise<void> {
    if (!this.#shared || cancelled()) return;
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity));
    const name = `inbox-${btoa(String.fromCharCode(...new Uint8Array(hash)))}`;
    if (this.#channel?.name === name || cancelled()) return;
    this.leave(); // a new token may name another user
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#onPost(data);
    this.#request(name);
  }

  /** Leave the others, so that one of them becomes the leader. */
  leave(): void {
    this.#membership?.abort();
    this.#channel?.close();
    this.#channel = undefined;
    this.leading = !this.#shared;
  }

  /** Keep a message of the stream, and pass it on if this tab leads. */
  note(message: ServerMessage): void {
    if (!this.#shared) return;
    if (message.type === "reset") this.#events = [];
    if (message.type === "event") this.#keep(message);
    if (this.leading) this.#post({ messages: [message] });
  }

  #keep(event: InboxEvent): void {
    this.#events.push(event);
    this.#lengths.push(JSON.stringify(event).length);
    this.#lengths = this.#lengths.slice(-Math.min(this.#events.length, KEPT_EVENTS));
    while (this.#lengths.reduce((sum, length) => sum + length, 0) > KEPT_LENGTH) this.#lengths.shift();
    this.#events.splice(0, this.#events.length - this.#lengths.length);
  }

  /** Open the connection of a follower. Sending anything asks the leader for what is new. */
  follow(receiver: Receiver): OpenTransport {
    this.#receiver = receiver;
    this.#joined = false;
    const ask = () => {
      this.#unanswered = 0;
      this.#ask();
      return true;
    };
    ask();
    return {
      send: ask,
      close: () => {
        clearTimeout(this.#timer);
        this.#receiver = undefined;
      },
    };
  }

  #ask(): void {
    clearTimeout(this.#timer);
    if (this.#unanswered++ > 1 && !globalThis.document?.hidden) return this.#request(this.#channel?.name ?? "", true);
    this.#post({ from: this.#options.id, since: this.#options.position() });
    this.#timer = setTimeout(() => this.#ask(), ANSWER_MS * (1 + Math.random()));
  }

  #request(name: string, steal = false): void {
    this.#membership?.abort();
    const { signal } = (this.#membership = new AbortController());
    const change = (leading: boolean) => {
      this.leading = leading;
      this.#options.onChange();
    };
    const lead = () => {
      if (signal.aborted) return;
      change(true);
      return new Promise((release) => signal.addEventListener("abort", release));
    };
    navigator.locks.request(name, steal ? { steal } : { signal }, lead).catch((error) => {
      if (signal.aborted) return;
      if (error.name === "AbortError") this.#request(name); // another tab took the lock
      else this.#shared = false; // locks are forbidden, as in a sandboxed frame
      change(!this.#shared);
    });
  }

  #post(post: Post): void {
    this.#channel?.postMessage(post);
  }

  #onPost({ from, since = null, to, messages = [] }: Post): void {
    if (from && this.leading) this.#post({ to: from, messages: this.#missing(since) });
    if (from || this.leading || !this.#receiver || (to && to !== this.#options.id)) return;
    this.#unanswered = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ASK_MS);
    this.#joined ||= !!to;
    for (const message of messages) {
      if (message.type === "state" && message.state.status === "live") this.#ask();
      else if (this.#joined || message.type === "state") this.#receiver?.message(message);
    }
  }

  /** Return what a follower at this position gets. */
  #missing(since: string | null): ServerMessage[] {
    const now = this.#options.now();
    if (now.type !== "ready") return [now];
    const steps = since === null ? 0 : stepsBetween(since, now.position); // negative if the follower is ahead
    const kept = this.#events.length;
    if (steps <= kept) return [{ ...now, position: since ?? now.position }, ...this.#events.slice(kept - Math.max(steps, 0))];
    return [now, { ...now, type: "reset", reason: "position_expired" }];
  }
}
