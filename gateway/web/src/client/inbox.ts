import type { Actions } from "./actions.ts";
import { retryDelayMs } from "./backoff.ts";
import type { InboxError } from "./errors.ts";
import { emit } from "./events.ts";
import type { InboxEvent, MessageCounts, Ready } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import { applyEvent, checked, countsIn, EMPTY, type Snapshot } from "./reducer.ts";
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
  #error: InboxError | null = null;
  #failures = 0;
  #retryTimer: unknown = null; // not null: no request is sent before `retry`

  constructor(client: Actions, { filter = {}, perPage = 20, keep = 500 }: InboxOptions = {}) {
    super();
    this.filter = checked(filter);
    this.#client = client;
    this.#perPage = this.#wanted = Math.min(perPage, MOST_PER_PAGE);
    this.#keep = Math.max(keep, this.#perPage);
    this.show();
  }

  start(): void {
    const { inboxes, state } = this.#client;
    if (inboxes.has(this)) return;
    inboxes.add(this);
    if (state.status === "live") this.retry(); // there will be no `ready`
    else this.#client.connect();
  }

  stop(): void {
    this.#client.inboxes.delete(this);
    clearTimeout(this.#retryTimer as number);
    this.#abort();
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
    this.retry();
  }

  /** Apply an event. The client calls `show` when all inboxes have applied it. */
  onEvent(event: InboxEvent): void {
    const run = this.#run;
    this.#expect(event);
    this.#confirm(applyEvent(this.#confirmed, event, this.filter));
    if (run) {
      run.events.push(event);
      run.snapshots.push(this.#confirmed);
      run.wake?.();
    } else {
      // Some notifications may leave the list before older ones are loaded in their place.
      this.#wanted = Math.min(this.#wanted, Math.max(this.#confirmed.notifications.length, this.#perPage / 2));
      this.#update();
    }
  }

  /** Take over the counts of a message, which are complete in themselves, before the list is loaded. */
  #expect(message: MessageCounts): void {
    if (!this.#confirmed.position) this.#confirmed = { ...this.#confirmed, ...countsIn(message, this.filter) };
  }

  #confirm(snapshot: Snapshot): void {
    const { notifications } = snapshot;
    this.#confirmed =
      notifications.length > this.#keep ? { ...snapshot, notifications: notifications.slice(0, this.#keep) } : snapshot;
  }

  /** Forget the running request and the position. */
  #abort(): void {
    this.#run?.wake?.();
    this.#run = null;
    this.#confirmed = { ...this.#confirmed, position: null };
  }

  /** Send the request that is due, if any. */
  #update(): void {
    const { inboxes, state } = this.#client;
    if (this.#run || this.#retryTimer || !inboxes.has(this) || state.status === "ended") return;
    const { position, unknown, notifications, total } = this.#confirmed;
    const isShort = notifications.length < Math.min(this.#wanted, total);
    if (position ? unknown || isShort : state.status === "live") this.#load();
  }

  async #load(): Promise<void> {
    const { position, unknown, notifications } = this.#confirmed;
    const isFirst = !position || unknown === 2;
    // One request replaces up to a hundred notifications. Where only the counts matter, one is enough.
    const per_page = isFirst ? Math.min(Math.max(notifications.length, this.#perPage), MOST_PER_PAGE) : unknown || this.#perPage;
    const page = isFirst || unknown ? 1 : Math.floor(notifications.length / per_page) + 1;
    const loading = position ? (isFirst || unknown ? null : "more") : "first";
    const run: Run = (this.#run = { events: [], snapshots: [this.#confirmed], loading });
    const since = this.#client.position;
    this.show();
    try {
      const response = await this.#client.request("GET", "/notifications", { query: { ...this.filter, page, per_page } });
      const { notifications: found, total, unread_count: unreadCount, unseen_count: unseenCount } = await response.json();
      // An inbox without a log has no position. It is empty, and was empty when the request was sent.
      const at = response.headers.get("X-Inbox-Position") ?? since!;
      // Events up to the position of the response may still be on their way.
      while (run === this.#run && !isFirst && stepsBetween(this.#confirmed.position!, at) > 0) {
        await new Promise<void>((resolve) => (run.wake = resolve));
      }
      if (run !== this.#run) return;
      const base = isFirst ? EMPTY : run.snapshots.find((snapshot) => snapshot.position === at) ?? { ...this.#confirmed, unknown: 2 };
      const known = base.notifications.length - (page - 1) * per_page; // below 0, the page does not continue the list any more
      const all = [...base.notifications, ...(known < 0 ? [] : found.slice(known))];
      const merged: Snapshot = { position: at, notifications: all, total, unreadCount, unseenCount, unknown: base.unknown === 2 ? 2 : 0 };
      this.#confirm(run.events.reduce((snapshot, event) => applyEvent(snapshot, event, this.filter), merged));
      this.#error = null;
      this.#failures = 0;
    } catch (error) {
      if (run !== this.#run) return;
      this.#error = error as InboxError;
      const { temporary = true, retryAfterMs } = this.#error; // the response may have been cut
      this.#retryTimer = temporary ? setTimeout(() => this.retry(), retryDelayMs(this.#failures++, retryAfterMs)) : true;
    }
    this.#run = null;
    this.#update();
    this.show();
  }

  /** Show the confirmed snapshot with the pending actions on top. */
  show(cause: InboxEvent | null = null): void {
    const { position, unknown, ...shown } = this.#client.shown(this.#confirmed, this.filter);
    const state: InboxState = {
      ...shown,
      hasMore: shown.total > shown.notifications.length,
      loading: this.#run && this.#run.loading,
      error: this.#error,
      stale: !position,
    };
    if (Object.entries(state).every(([name, value]) => this.state?.[name as keyof InboxState] === value)) return;
    this.state = state;
    emit(this, "change", { cause });
  }
}
