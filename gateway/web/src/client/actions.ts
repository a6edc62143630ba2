import { retryDelayMs } from "./backoff.ts";
import type { InboxError } from "./errors.ts";
import { emit } from "./events.ts";
import type { Inbox } from "./inbox.ts";
import { LiveClient } from "./live_client.ts";
import type { InboxEvent, Ready } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import { applyToAll, changed, checked, countsIn, EMPTY, put, type Snapshot } from "./reducer.ts";
import type { ClientOptions, ConnectionState, Counts, Filter, Notification } from "./types.ts";

const MOST_FAILURES = 5; // after so many responses of a broken server, an action is taken back
const DOWN = /offline|reconnecting/; // states in which actions wait
const CATCH_UP_MS = 100; // after a reconnect, for the event of an action whose response was lost

/** What ends the path of the requests that undo or remove. All others are a POST to a path that ends in their name. */
const DELETES: Record<string, string> = { unarchive: "/archive", delete: "" };

const ACCEPTED = 0;
const PREPARED = 1; // shown, but not to be sent yet
const WAITING = 2;
const SENT = 3;

/** An action on one notification, or on all that match a filter, until the confirmed state of the inboxes has it. */
export interface Action {
  readonly name: string;
  /** The id of the notification, or a filter. */
  readonly target: string | Filter;
  readonly at: number;
  stage: number;
  /** Of an accepted action: the position that includes it. */
  position?: string | null;
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Actions that show at once in all inboxes of the client, and are sent in order, one at a time.
 *
 * An action is shown on top of the confirmed state until the events up to its position have arrived. It is taken back
 * by showing it no longer. An action that failed without a response is sent again, because each can be repeated. The
 * inboxes that follow the stream are driven from here: all of them apply an event before one of them shows it.
 */
export class Actions extends LiveClient {
  /** The inboxes that follow the stream. */
  readonly inboxes = new Set<Inbox>();
  /** The actions that the confirmed state does not have yet, in order. */
  pending: readonly Action[] = [];
  #counts: Counts = { unreadCount: 0, unseenCount: 0 };
  #busy = false; // during a request, and the pause after one that failed
  #failures = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** Whether the pause ends with the next connection: after a failure without a response, and after `close`. */
  #untilLive = false;
  #closed = false;

  constructor(options?: ClientOptions) {
    super(options);
    const on = <T>(type: string, handle: (detail: T) => void) =>
      this.addEventListener(type, (event) => handle((event as CustomEvent<T>).detail));
    const each = (handle: (inbox: Inbox) => void) => this.inboxes.forEach(handle);
    on<ConnectionState>("state", ({ status }) => {
      this.#closed = status === "ended";
      if (this.#closed) {
        if (this.#pause) this.#untilLive = true;
        clearTimeout(this.#pause);
        each((inbox) => inbox.retry()); // which ends its pause
      }
      if (status === "live" && this.#untilLive) this.#nextAfter(CATCH_UP_MS);
      else this.#send();
    });
    on<Ready>("ready", (ready) => {
      this.#showCounts();
      each((inbox) => inbox.onReady(ready));
    });
    on("reset", () => {
      this.pending = this.pending.filter(({ stage }) => stage !== ACCEPTED);
      this.#showCounts();
      each((inbox) => inbox.onReset());
    });
    on<InboxEvent>("event", (event) => {
      this.#recognize(event);
      this.pending = this.pending.filter((action) => !this.#isIncluded(action));
      each((inbox) => inbox.onEvent(event));
      this.#showCounts();
      each((inbox) => inbox.show(event));
    });
  }

  /** How many of the notifications that are not archived are unread and unseen, with the pending actions. */
  get counts(): Counts {
    return this.#counts;
  }

  /** How many actions the gateway has not accepted yet. */
  get queued(): number {
    return this.pending.filter(({ stage }) => stage > PREPARED).length;
  }

  /** Return a confirmed snapshot with the pending actions on top. */
  shown(snapshot: Snapshot, filter: Filter): Snapshot {
    const items = new Map<string, Notification | null>(); // what the actions so far made of them
    return this.pending.reduce((result, { name, target, at }) => {
      if (typeof target !== "string") return applyToAll(result, filter, name, at, target);
      const item = items.has(target) ? items.get(target) : this.#find(target);
      if (!item) return result;
      const after = changed(item, name, at);
      items.set(target, after);
      return after === item ? result : put(result, filter, item, after);
    }, snapshot);
  }

  /** Return a notification that one of the inboxes has loaded, in its confirmed state. */
  #find(id: string): Notification | undefined {
    return [...this.inboxes].flatMap((inbox) => inbox.find(id) ?? [])[0];
  }

  #showCounts(): void {
    const filter = { archived: false };
    const confirmed = this.latest && countsIn(this.latest, filter);
    const { unreadCount, unseenCount } = this.shown({ ...EMPTY, ...confirmed }, filter);
    if (unreadCount === this.#counts.unreadCount && unseenCount === this.#counts.unseenCount) return;
    this.#counts = { unreadCount, unseenCount };
    emit(this, "counts", this.#counts);
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

  /** Show an action in all inboxes. `commit` sends it, `undo` takes it back unless it was sent. */
  prepare(name: "delete" | "archive", target: string | Filter): { commit(): Promise<void>; undo(): void } {
    const action = this.#add(name, target, PREPARED);
    return {
      commit: () => {
        if (action.stage === PREPARED) action.stage = WAITING;
        this.#send();
        return action.promise;
      },
      undo: () => {
        if (action.stage === PREPARED) this.#drop(action);
      },
    };
  }

  #do(name: string, target: string | Filter): Promise<void> {
    // An element that marks as seen whatever arrives calls more often than requests are answered.
    const last = this.pending.at(-1);
    const isSame = last?.stage === WAITING && last.name === name && JSON.stringify(last.target) === JSON.stringify(target);
    const action = isSame ? last : this.#add(name, target, WAITING);
    this.#send();
    return action.promise;
  }

  #add(name: string, target: string | Filter, stage: number): Action {
    if (typeof target !== "string") target = checked(target);
    const action = { name, target, stage, at: Math.floor(Date.now() / 1000) } as Action;
    action.promise = new Promise<void>((resolve, reject) => Object.assign(action, { resolve, reject }));
    action.promise.catch(() => {}); // the event "error" reports it, too
    this.#show([...this.pending, action]);
    return action;
  }

  #drop(action: Action): void {
    this.#show(this.pending.filter((other) => other !== action));
  }

  #show(pending: readonly Action[]): void {
    this.pending = pending;
    emit(this, "queue", this.queued);
    this.#showCounts();
    this.inboxes.forEach((inbox) => inbox.show());
  }

  /** Note the event of an action whose response may be lost: it must not be sent again. */
  #recognize({ name, position, data }: InboxEvent): void {
    if (data.client_id !== this.clientId) return;
    const isCause = (action: Action) =>
      action.stage !== PREPARED &&
      name === `notifications/${action.name}${data.id ? "" : "/all"}` &&
      data.id === (typeof action.target === "string" ? action.target : undefined);
    const cause = this.pending.find(isCause); // events arrive in the order of the actions
    if (cause?.stage) cause.position ??= position;
  }

  /** Whether the confirmed state has an accepted action. */
  #isIncluded({ stage, position }: Action): boolean {
    return stage === ACCEPTED && !(stepsBetween(this.position ?? "", position ?? "") > 0);
  }

  async #send(): Promise<void> {
    const action = this.pending.find(({ stage }) => stage === WAITING);
    if (!action || this.#busy || DOWN.test(this.state.status)) return;
    this.#busy = true;
    action.stage = SENT;
    const { name, target } = action;
    const id = typeof target === "string" && target;
    const path = `/notifications${id ? `/${encodeURIComponent(id)}` : ""}${DELETES[name] ?? `/${name}`}`;
    try {
      if (!action.position) {
        const { headers } = await this.request(name in DELETES ? "DELETE" : "POST", path, { query: id ? {} : (target as Filter) });
        action.position = headers.get("X-Inbox-Position");
      }
    } catch (cause) {
      const error = cause as InboxError;
      const { status, temporary = true, waits = true, retryAfterMs } = error; // `getToken` may throw anything
      if (temporary && (waits || this.#failures < MOST_FAILURES)) {
        action.stage = WAITING;
        this.#untilLive = !status || this.#closed;
        if (!this.#closed) this.#nextAfter(retryDelayMs(this.#failures++, retryAfterMs));
        return;
      }
      if (temporary || status !== 404 || name !== "delete") {
        this.#drop(action);
        action.reject(error);
        emit(this, "error", { error, action: name, ids: id ? [id] : [] });
      }
    }
    this.#failures = 0;
    action.stage = ACCEPTED;
    this.#show(this.pending.filter((other) => !this.#isIncluded(other)));
    action.resolve();
    this.#next();
  }

  #nextAfter(ms: number): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#next(), ms);
  }

  #next(): void {
    clearTimeout(this.#pause);
    if (this.#untilLive && DOWN.test(this.state.status)) return;
    this.#pause = undefined;
    this.#untilLive = this.#busy = false;
    this.#send();
  }
}
