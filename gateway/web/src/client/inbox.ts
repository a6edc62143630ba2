import { retryDelayMs } from "./backoff.ts";
import { emit } from "./events.ts";
import { applyEvent, countsFrom, EMPTY_INBOX } from "./reducer.ts";

/**
 * A user's inbox that keeps itself up to date: the response of the REST API, plus every event since.
 *
 * Dispatches "change" (detail: the message that caused it, or null after a fetch) and "error".
 *
 * Why this is exact: the response of a fetch has the position of the log at which it was read, and that
 * becomes the position of the state. An event at or before that position is already included and changes
 * nothing; the event after it advances the state by one step. The inbox fetches only after `ready` or
 * `reset`, so no response is older than the stream. Events that arrive during a fetch are held and applied
 * to its response.
 */
export class Inbox extends EventTarget {
  #client;
  #perPage;
  #keep;
  #state = EMPTY_INBOX;
  #held = null; // events received during the current fetch; its identity distinguishes that fetch from later ones
  #retryTimer = null;
  #listening;

  /** A fetch reads `perPage` items; at most `keep` are kept, so that a page left open does not grow for ever. */
  constructor(client, { perPage = 50, keep = 500 } = {}) {
    super();
    this.#client = client;
    this.#perPage = perPage;
    this.#keep = Math.max(keep, perPage);
  }

  /** The state to show, as `applyEvent` describes it. It is replaced and never mutated: compare with `===`. */
  get state() {
    return this.#state;
  }

  /** Whether the state may be out of date: before the first fetch, and from a reset until its fetch. */
  get stale() {
    return this.#state.position === null;
  }

  /** Connect the client and follow its stream. Call `stop` when done. */
  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#client.addEventListener("ready", ({ detail }) => this.#onReady(detail), { signal });
    this.#client.addEventListener("event", ({ detail }) => this.#onEvent(detail), { signal });
    this.#client.addEventListener("reset", () => this.#onReset(), { signal });
    this.#client.connect();
    if (this.#client.state.status === "live") this.#onReset(); // it was connected before, so there will be no `ready`
  }

  /** Stop following the stream, and close the client. */
  stop() {
    this.#listening?.abort();
    this.#listening = null;
    this.#held = null;
    this.#cancelRetry();
    this.#client.close();
  }

  #onReady(ready) {
    if (!this.stale) return; // the stream was resumed, and its events continue the state
    this.#showCounts(ready);
    if (!this.#held) this.#fetch();
  }

  #onEvent(event) {
    this.#held?.push(event);
    if (this.stale) return this.#showCounts(event);
    this.#show(applyEvent(this.#state, event), event);
    if (this.#runsShort()) this.#fetch();
  }

  #onReset() {
    this.#state = { ...this.#state, position: null };
    this.#fetch();
  }

  /** Whether deletions left so few items that older ones should be fetched, and no fetch is due or running. */
  #runsShort() {
    const { hasMore, notifications } = this.#state;
    return hasMore && notifications.length < this.#perPage / 2 && !this.#held && !this.#retryTimer;
  }

  async #fetch(attempt = 0) {
    this.#cancelRetry();
    const held = (this.#held = []);
    const { position } = this.#client;
    try {
      const page = await this.#client.list({ perPage: this.#perPage });
      // The counts in a response follow its filters, so the counts of unarchived items take a second
      // request. As it is sent after the first, its response is never of an earlier position. It may be of
      // a later one, but the events up to there are then held or on their way, with all counts.
      const unarchived = await this.#client.list({ perPage: 1, archived: false });
      if (this.#held !== held) return; // stopped, or superseded by a later fetch
      this.#held = null;
      // An inbox without a log has no position. It is empty, and was empty when the fetch began.
      page.position ??= position;
      this.#show(held.reduce(applyEvent, inboxFrom(page, unarchived)), null);
    } catch (error) {
      if (this.#held !== held) return;
      this.#held = null;
      emit(this, "error", error);
      if (error.permanent) return; // the next `ready` fetches again
      this.#retryTimer = setTimeout(() => this.#fetch(attempt + 1), retryDelayMs(attempt, error.retryAfterMs));
    }
  }

  #cancelRetry() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }

  /** Show the counts of a message, which are complete in themselves, before the items are known. */
  #showCounts(message) {
    this.#show({ ...this.#state, ...countsFrom(message) }, message);
  }

  #show(state, cause) {
    const surplus = state.notifications.length > this.#keep;
    this.#state = surplus
      ? { ...state, notifications: state.notifications.slice(0, this.#keep), hasMore: true }
      : state;
    emit(this, "change", cause);
  }
}

function inboxFrom({ notifications, total, position, ...counts }, unarchived) {
  return {
    position,
    notifications,
    total,
    hasMore: total > notifications.length,
    ...countsFrom({ ...counts, unarchived }),
  };
}
