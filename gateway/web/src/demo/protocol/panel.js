import { fromTemplate } from "./dom.js";
import { fillRow } from "./row.js";

/** The transports of the client, with their names on the page. */
export const TRANSPORTS = { websocket: "WebSocket", sse: "SSE" };

const CUT_MS = 3000; // long enough to send something meanwhile

/** One inbox of a user over one transport: its connection, its counts and its items. */
export class Panel {
  constructor(userId, transport, client, { log, onEvent }) {
    this.userId = userId;
    this.transport = transport;
    this.client = client;
    this.inbox = client.inbox({ perPage: 50 });
    this.rows = new Map(); // by notification id
    this.element = fromTemplate("panel-template");
    this.list = this.find("ul");
    this.showArchived = this.find('[data-testid="show-archived"]');

    Object.assign(this.element.dataset, { user: userId, transport, state: "ended" });
    this.element.setAttribute("aria-label", `Inbox of ${userId} over ${TRANSPORTS[transport]}`);
    this.find(".items").setAttribute("aria-label", `Notifications of ${userId} over ${TRANSPORTS[transport]}`);
    this.find("h3").textContent = TRANSPORTS[transport];

    this.element.addEventListener("click", ({ target }) => this.act(target.closest("[data-action]")));
    this.showArchived.addEventListener("change", () => this.render());
    this.inbox.addEventListener("change", ({ detail }) => this.render(detail.cause));
    client.addEventListener("state", ({ detail }) => this.renderState(detail));
    client.addEventListener("event", ({ detail }) => onEvent(detail));
    for (const type of ["state", "ready", "event", "reset", "goodbye", "refusal"]) {
      client.addEventListener(type, ({ detail }) => log.add(this, type, detail));
    }
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  /** Perform the action of a button. It shows here at once, and arrives as an event in the other inboxes. */
  async act(button) {
    if (!button) return;
    const id = button.closest("[data-notification-id]")?.dataset.notificationId;
    const { client } = this;
    const actions = {
      read: () => client.read(id),
      unread: () => client.unread(id),
      archive: () => client.archive(id),
      unarchive: () => client.unarchive(id),
      delete: () => client.delete(id),
      "read-all": () => client.readAll(),
      "seen-all": () => client.seenAll(),
      cut: () => client.drop({ retryAfterMs: CUT_MS, reason: "cut" }),
      connect: () => client.connect(),
    };
    try {
      await actions[button.dataset.action]();
      this.showError(null);
    } catch (error) {
      this.showError(error);
    }
  }

  showError(error) {
    const problem = this.find(".problem");
    problem.hidden = !error;
    problem.textContent = error?.message ?? "";
  }

  renderState({ status, reason, retryInMs, resumed }) {
    const details = {
      live: resumed ? `resumed after ${this.client.position}` : "",
      reconnecting: `${reason}, reconnects in ${Math.ceil(retryInMs / 1000)} s`,
      ended: reason,
    };
    this.element.dataset.state = status;
    this.find('[data-testid="connection-state"]').textContent = status;
    this.find('[data-testid="connection-detail"]').textContent = details[status] ?? "";
    const button = this.find('[data-action="cut"], [data-action="connect"]');
    button.dataset.action = status === "ended" ? "connect" : "cut";
    button.textContent = status === "ended" ? "Connect" : "Cut";
    button.disabled = status === "connecting" || status === "reconnecting";
    this.renderPosition();
  }

  renderPosition() {
    this.find('[data-testid="position"]').textContent = this.client.position ?? "–";
  }

  render(cause = null) {
    const { notifications, hasMore, stale, error, ...whole } = this.inbox.state;
    const archivedToo = this.showArchived.checked;
    const shown = notifications.filter((item) => archivedToo || item.archived_at === null);

    // The badges count what the list shows.
    const counts = archivedToo ? whole : this.client.counts;
    this.renderCount("unread-count", counts.unreadCount);
    this.renderCount("unseen-count", counts.unseenCount);
    this.renderRows(shown, cause);
    this.renderPosition();
    this.find(".empty").hidden = shown.length > 0;
    this.find(".empty").textContent = stale || hasMore ? "…" : "All quiet. Send something!";
    this.find('[data-testid="extent"]').textContent = hasMore ? `the newest ${notifications.length}` : "";
    if (error || cause === null) this.showError(error);
  }

  renderCount(testId, count) {
    const badge = this.find(`[data-testid="${testId}"]`);
    badge.textContent = count;
    badge.classList.toggle("none", count === 0);
  }

  /** Show the items in existing rows where possible, so that focus, selection and scroll position are kept. */
  renderRows(items, cause) {
    const focused = document.activeElement?.closest("[data-notification-id]");
    const focusedPlace = [...this.list.children].indexOf(focused);

    const wanted = items.map((item) => this.rowOf(item, cause));
    const removed = new Set(this.rows.keys());
    items.forEach(({ id }) => removed.delete(id));
    for (const id of removed) {
      this.rows.get(id).element.remove();
      this.rows.delete(id);
    }
    wanted.forEach((row, place) => {
      if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
    });

    // After a deletion by keyboard the focus moves to the next item.
    if (focusedPlace >= 0 && !focused.isConnected) {
      const next = this.list.children[Math.min(focusedPlace, this.list.children.length - 1)];
      (next?.querySelector("button") ?? this.find(".items")).focus();
    }
  }

  rowOf(item, cause) {
    const known = this.rows.get(item.id);
    if (known?.item === item) return known.element;
    const element = known?.element ?? fromTemplate("item-template");
    this.rows.set(item.id, { item, element });
    fillRow(element, item);
    const motion = known ? "changed" : "arrived";
    if (cause && (known || cause.name === "notifications/new")) {
      element.classList.add(motion);
      element.addEventListener("animationend", () => element.classList.remove(motion), { once: true });
    }
    return element;
  }
}
