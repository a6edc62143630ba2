import { retryDelayMs } from "./backoff.ts";
import type { InboxError } from "./errors.ts";
import { emit } from "./events.ts";
import type { Inbox } from "./inbox.ts";
import { LiveClient } from "./live_client.ts";
import type { InboxEvent, Ready } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import type { ClientOptions, Filter, Notification } from "./types.ts";

/** Requests for one notification: the method, and what follows its path. */
const REQUESTS: Record<string, readonly [string, string]> = {
  read: ["POST", "/read"],
  unread: ["POST", "/unread"],
  seen: ["POST", "/seen"],
  archive: ["POST", "/archive"],
  unarchive: ["DELETE", "/archive"],
  delete: ["DELETE", ""],
};

/** The times that a request is repeated whose response is an error of the server. */
const MOST_FAILURES = 5;

/** An action on one notification or on all that match a filter, from the call until the state of the inboxes has it. */
export interface Action {
  readonly name: string;
  /** The id of the notification, or a filter. */
  readonly target: string | Filter;
  readonly at: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Prepared, to be sent; sent; accepted by the gateway. */
  stage: "prepared" | "waiting" | "sent" | "accepted";
  /** Of an accepted action: the position that contains it. */
  position?: string | null;
  /** Whether its event has arrived, so that the inboxes have it already. */
  arrived?: boolean;
}

/** Whether `position` is after `reached`. */
function isAhead(position: string | null | undefined, reached: string | null): boolean {
  return !!position && !!reached && stepsBetween(reached, position) > 0;
}

/**
 * Actions that show at once in all inboxes of the client, and are sent in order, one at a time.
 *
 * An action is shown on top of the confirmed state until the event with it arrives. It is taken back by showing it no
 * longer. An action that failed without a response is sent again: each can be repeated. The inboxes that follow the
 * stream are driven from here: all apply an event before one of them shows it.
 */
export class Actions extends LiveClient {
  /** The inboxes that follow the stream. */
  readonly inboxes = new Set<Inbox>();
  #actions: readonly Action[] = [];
  #queued = 0;
  #isSending = false;
  #wake: (() => void) | undefined;

  constructor(options?: ClientOptions) {
    super(options);
    const on = <T>(type: string, handle: (detail: T) => void) =>
      this.addEventListener(type, (event) => handle((event as CustomEvent<T>).detail));
    on("state", () => {
      if (!this.#isOffline) this.#send();
      this.#count();
    });
    on<Ready>("ready", (ready) => this.inboxes.forEach((inbox) => inbox.onReady(ready)));
    on("reset", () => {
      this.#drop(({ stage }) => stage === "accepted");
      this.inboxes.forEach((inbox) => inbox.onReset());
    });
    on<InboxEvent>("event", (event) => {
      const { id, client_id } = event.data;
      const own = this.#actions.find(
        ({ name, target, stage, arrived }) =>
          client_id === this.clientId &&
          stage !== "waiting" &&
          !arrived &&
          event.name === `notifications/${name}${id ? "" : "/all"}` &&
          (!id || target === id),
      );
      if (own) own.arrived = true;
      this.#drop(({ stage, arrived, position }) => stage === "accepted" && (arrived || !isAhead(position, event.position)));
      this.inboxes.forEach((inbox) => inbox.onEvent(event));
      this.#show(event);
    });
  }

  /** The actions that the confirmed state does not have yet, in order. */
  get pending(): readonly Action[] {
    return this.#actions.filter(({ arrived }) => !arrived);
  }

  /** How many actions wait for the network. */
  get queued(): number {
    return this.#queued;
  }

  /** Return a notification that one of the inboxes has loaded, in its confirmed state. */
  find(id: string): Notification | undefined {
    for (const inbox of this.inboxes) {
      const found = inbox.find(id);
      if (found) return found;
    }
    return undefined;
  }

  /** Mark as read, which also marks as seen. */
  read(id: string): Promise<void> {
    return this.#do("read", id);
  }

  unread(id: string): Promise<void> {
    return this.#do("unread", id);
  }

  seen(id: string): Promise<void> {
    return this.#do("seen", id);
  }

  archive(id: string): Promise<void> {
    return this.#do("archive", id);
  }

  unarchive(id: string): Promise<void> {
    return this.#do("unarchive", id);
  }

  delete(id: string): Promise<void> {
    return this.#do("delete", id);
  }

  /** Mark all that match the filter as read. */
  readAll(filter: Filter = {}): Promise<void> {
    return this.#do("read", filter);
  }

  seenAll(filter: Filter = {}): Promise<void> {
    return this.#do("seen", filter);
  }

  archiveAll(filter: Filter = {}): Promise<void> {
    return this.#do("archive", filter);
  }

  /** Show an action in all inboxes. `commit` sends it, `undo` takes it back. */
  prepare(name: "delete" | "archive", id: string): { commit(): Promise<void>; undo(): void } {
    const action = this.#add(name, id, "prepared");
    return {
      commit: () => {
        if (action.stage === "prepared") action.stage = "waiting";
        this.#send();
        return action.promise;
      },
      undo: () => {
        this.#drop((other) => other === action && other.stage === "prepared");
        this.#show();
      },
    };
  }

  #do(name: string, target: string | Filter): Promise<void> {
    // An element that marks as seen whatever arrives calls more often than a request takes.
    const last = this.#actions.at(-1);
    const isSame = last?.stage === "waiting" && last.name === name && JSON.stringify(last.target) === JSON.stringify(target);
    const { promise } = isSame ? last : this.#add(name, target, "waiting");
    this.#send();
    return promise;
  }

  #add(name: string, target: string | Filter, stage: Action["stage"]): Action {
    let resolve!: () => void, reject!: (error: unknown) => void;
    const promise = new Promise<void>((...functions) => ([resolve, reject] = functions));
    promise.catch(() => {}); // the event "error" reports it as well
    const action = { name, target, at: Math.floor(Date.now() / 1000), promise, resolve, reject, stage };
    this.#actions = [...this.#actions, action];
    this.#show();
    return action;
  }

  #drop(isDropped: (action: Action) => unknown): void {
    const left = this.#actions.filter((action) => !isDropped(action));
    if (left.length === this.#actions.length) return;
    this.#actions = left;
    this.#count();
  }

  #show(event?: InboxEvent): void {
    this.inboxes.forEach((inbox) => inbox.show(event));
  }

  get #isOffline(): boolean {
    return /offline|reconnecting/.test(this.state.status);
  }

  /** Update `queued`: all that are not accepted, while they wait for the network or for another attempt. */
  #count(): void {
    const waits = this.#isOffline || this.#wake;
    const queued = waits ? this.#actions.filter(({ stage }) => stage === "waiting" || stage === "sent").length : 0;
    if (queued === this.#queued) return;
    this.#queued = queued;
    emit(this, "queue", queued);
  }

  async #send(): Promise<void> {
    this.#wake?.();
    if (this.#isSending) return;
    this.#isSending = true;
    let action: Action | undefined;
    for (let failures = 0; !this.#isOffline && (action = this.#actions.find(({ stage }) => stage === "waiting" || stage === "sent")); ) {
      try {
        await this.#perform(action);
        failures = 0;
      } catch (cause) {
        const error = cause as InboxError;
        const { status, temporary, retryAfterMs } = error;
        if (temporary && (status < 500 || status === 503 || failures < MOST_FAILURES)) {
          await this.#pause(retryDelayMs(failures++, retryAfterMs), !status);
          continue;
        }
        failures = 0;
        this.#drop((other) => other === action);
        this.#show();
        action.reject(error);
        emit(this, "error", { error, action: action.name, ids: typeof action.target === "string" ? [action.target] : [] });
      }
    }
    this.#isSending = false;
    this.#count();
  }

  async #perform(action: Action): Promise<void> {
    const { name, target } = action;
    action.stage = "sent";
    let response: Response | undefined;
    if (typeof target === "string") {
      const [method, end] = REQUESTS[name]!;
      response = await this.request(method, `/notifications/${encodeURIComponent(target)}${end}`).catch((error: InboxError) => {
        if (name !== "delete" || error.status !== 404) throw error; // it was deleted, perhaps by an earlier attempt
        return undefined;
      });
    } else {
      response = await this.request("POST", `/notifications/${name}`, { query: target });
    }
    action.stage = "accepted";
    action.position = response?.headers.get("X-Inbox-Position");
    this.#drop((other) => other === action && (action.arrived || !isAhead(action.position, this.position)));
    this.#show();
    action.resolve();
  }

  /** Wait before the next attempt. Without a response, a sign of the network ends it. */
  async #pause(ms: number, untilOnline: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!untilOnline) return;
        clearTimeout(timer);
        resolve();
      };
      this.#count();
    });
    this.#wake = undefined;
    this.#count();
  }
}
