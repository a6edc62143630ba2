import type { Actions } from "./actions.ts";
import { retryDelayMs } from "./backoff.ts";
import type { InboxError } from "./errors.ts";
import { emit } from "./events.ts";
import type { InboxEvent, MessageCounts, Ready } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import { withoutUnset } from "./records.ts";
import { applyEvent, applyToAll, changed, countsIn, EMPTY, put, type Snapshot } from "./reducer.ts";
import type { Filter, InboxOptions, InboxState, InboxStore, Notification } from "./types.ts";

const MOST_PER_PAGE = 100; // that the gateway allows

/** A running request. */
interface Run {
  /** The events since it was sent, and the confirmed snapshots: at that time, and after each event. */
  readonly events: InboxEvent[];
  readonly snapshots: Snapshot[];
  readonly loading: InboxState["loading"];
  /** Called after each event. */
  wake?: () => void;
}

/**
 * A filtered list of notifications that keeps itself up to date: responses of the REST API, plus every event since.
 *
 * Why this is exact: a response has the position of the log at which it was read. The first page replaces the
 * snapshot. An older page is appended to the snapshot of the same position, which was kept while the request ran. The
 * events after that position are then applied to the result. What an event can't decide is fetched again (`unknown`).
 * The first page is fetched only after `ready` or `reset`, so that no response is older than the stream.
 */
export class Inbox extends EventTarget implements InboxStore {
  readonly filter: Filter;
  state!: InboxState;
  #client: Actions;
  #perPage: number;
  #keep: number;
  /** How many notifications to load, if there are as many. */
  #wanted: number;
  #confirmed = EMPTY;
  #run: Run | null = null;
  #error: Error | null = null;
  #failures = 0;
  #retryTimer: unknown = null; // not null: no request is sent before `retry`

  constructor(client: Actions, { filter = {}, perPage = 20, keep = 500 }: InboxOptions = {}) {
    super();
    this.filter = withoutUnset(filter);
    this.#client = client;
    this.#perPage = this.#wanted = perPage;
    this.#keep = Math.max(keep, perPage);
    this.show();
  }

  start(): void {
    const { inboxes, state } = this.#client;
    if (inboxes.has(this)) return;
    inboxes.add(this);
    if (state.status === "live") this.onReset(); // there will be no `ready`
    else this.#client.connect();
  }

  stop(): void {
    this.#client.inboxes.delete(this);
    this.#abort();
    this.#confirmed = { ...this.#confirmed, position: null };
  }

  async loadMore(): Promise<void> {
    if (!this.state.hasMore) return;
    this.#wanted = this.#confirmed.notifications.length + this.#perPage;
    this.#keep = Math.max(this.#keep, this.#wanted);
    if (this.#run) return;
    await this.#load();
    if (this.#error) throw this.#error;
  }

  retry(): void {
    clearTimeout(this.#retryTimer as number);
    this.#retryTimer = null;
    this.#update();
  }

  /** Return a notification of the confirmed state. */
  find(id: string): Notification | undefined {
    return this.#confirmed.notifications.find((item) => item.id === id);
  }

  onReady(ready: Ready): void {
    this.#expect(ready);
    this.retry();
  }

  onReset(): void {
    this.#abort();
    this.#confirmed = { ...this.#confirmed, position: null };
    this.retry();
  }

  /** Apply an event. The client calls `show` when all inboxes have applied it. */
  onEvent(event: InboxEvent): void {
    this.#run?.events.push(event);
    this.#expect(event);
    this.#confirmed = this.#trimmed(applyEvent(this.#confirmed, event, this.filter));
    this.#run?.snapshots.push(this.#confirmed);
    this.#run?.wake?.();
    // Some notifications may leave the list before older ones are loaded in their place.
    if (!this.#run) this.#wanted = Math.min(this.#wanted, Math.max(this.#confirmed.notifications.length, this.#perPage / 2));
    this.#update();
  }

  /** Take over the counts of a message, which are complete in themselves, before the list is loaded. */
  #expect(message: MessageCounts): void {
    if (this.#confirmed.position === null) this.#confirmed = { ...this.#confirmed, ...countsIn(message, this.filter) };
  }

  #trimmed(snapshot: Snapshot): Snapshot {
    const { notifications } = snapshot;
    return notifications.length > this.#keep ? { ...snapshot, notifications: notifications.slice(0, this.#keep) } : snapshot;
  }

  #abort(): void {
    clearTimeout(this.#retryTimer as number);
    this.#retryTimer = this.#run = null;
  }

  /** Send the request that is due, if any. */
  #update(): void {
    if (this.#run || this.#retryTimer || !this.#client.inboxes.has(this)) return;
    const { position, unknown, notifications, total } = this.#confirmed;
    const isShort = notifications.length < Math.min(this.#wanted, total);
    if (position === null ? this.#client.state.status === "live" : unknown || isShort) this.#load();
  }

  async #load(): Promise<void> {
    const { position, unknown, notifications } = this.#confirmed;
    const isFirst = position === null || unknown === 2;
    const loaded = notifications.length;
    let perPage = this.#perPage;
    if (isFirst) perPage = Math.min(Math.max(loaded, perPage), MOST_PER_PAGE);
    else if (unknown) perPage = 1; // only the counts matter
    const page = isFirst || unknown ? 1 : Math.floor(loaded / perPage) + 1;
    const loading = position === null ? "first" : isFirst || unknown ? null : "more";
    const run: Run = (this.#run = { events: [], snapshots: [this.#confirmed], loading });
    const isOver = () => run !== this.#run;
    const since = this.#client.position;
    this.show();
    try {
      const response = await this.#client.request("GET", "/notifications", { query: { ...this.filter, page, per_page: perPage } });
      const found = await response.json();
      if (isOver()) return;
      // An inbox without a log has no position. It is empty, and was empty when the request was sent.
      const at: string | null = response.headers.get("X-Inbox-Position") ?? since;
      let base = EMPTY;
      if (!isFirst) {
        // Events up to the position of the response may still be on their way.
        while (stepsBetween(this.#confirmed.position!, at!) > 0) {
          await new Promise<void>((resolve) => (run.wake = resolve));
          if (isOver()) return;
        }
        base = run.snapshots.find((snapshot) => snapshot.position === at) ?? { ...this.#confirmed, unknown: 2 };
      }
      const { length } = base.notifications;
      const known = length - (page - 1) * perPage; // negative: some left meanwhile, and this page does not continue the list
      const added = known < 0 ? [] : found.notifications.slice(known);
      this.#run = null;
      this.#error = null;
      this.#failures = 0;
      const { total, unread_count: unreadCount, unseen_count: unseenCount } = found;
      const merged: Snapshot = {
        position: at,
        notifications: [...base.notifications, ...added],
        total,
        unreadCount,
        unseenCount,
        unknown: base.unknown === 2 ? 2 : 0,
      };
      this.#confirmed = this.#trimmed(run.events.reduce((snapshot, event) => applyEvent(snapshot, event, this.filter), merged));
    } catch (error) {
      if (isOver()) return;
      this.#run = null;
      this.#error = error as Error;
      const { temporary, retryAfterMs } = error as InboxError;
      this.#retryTimer = temporary ? setTimeout(() => this.retry(), retryDelayMs(this.#failures++, retryAfterMs)) : true;
    }
    this.#update();
    this.show();
  }

  /** Show the confirmed snapshot with the pending actions on top. */
  show(cause: InboxEvent | null = null): void {
    let snapshot = this.#confirmed;
    const items = new Map<string, Notification | null>(); // what the actions so far made of them
    for (const { name, target, at } of this.#client.pending) {
      if (typeof target !== "string") {
        snapshot = applyToAll(snapshot, this.filter, name, at, target);
        continue;
      }
      const item = items.has(target) ? items.get(target) : this.#client.find(target);
      const after = item && changed(item, name, at);
      items.set(target, after ?? null);
      if (after !== item) snapshot = put(snapshot, this.filter, item!, after!);
    }
    const { notifications, total, unreadCount, unseenCount, position } = snapshot;
    const state: InboxState = {
      notifications,
      total,
      unreadCount,
      unseenCount,
      hasMore: total > notifications.length,
      loading: this.#run?.loading ?? null,
      error: this.#error,
      stale: position === null,
    };
    const before = this.state as InboxState | undefined;
    if (before && Object.entries(state).every(([name, value]) => before[name as keyof InboxState] === value)) return;
    this.state = state;
    emit(this, "change", { cause });
  }
}
