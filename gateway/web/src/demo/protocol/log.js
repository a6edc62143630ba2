import { byId, fromTemplate } from "./dom.js";

const LOG_LENGTH = 200;
const CLOCK = new Intl.DateTimeFormat([], {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});

/** Return a summary of a message in a line. */
function gistOf({ data, reason, message, retryInMs, resumed, unread_count, unseen_count }) {
  const filters = JSON.stringify(data?.filters ?? {});
  const parts = [
    data?.notification && `“${data.notification.title}”`,
    filters !== "{}" && filters,
    reason ?? message,
    retryInMs !== undefined && `reconnects in ${retryInMs} ms`,
    resumed && "resumed",
    unread_count !== undefined && `${unread_count} unread, ${unseen_count} unseen`,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** The event log, newest entry first. */
export const log = {
  entries: byId("log"),
  source: byId("log-source"),
  search: byId("log-search"),

  add({ userId, transport }, type, detail) {
    const entry = fromTemplate("entry-template");
    const find = (selector) => entry.querySelector(selector);
    const name = type === "state" ? `is ${detail.status}` : (detail.name ?? type);
    const source = `${userId} ${transport}`;
    Object.assign(entry.dataset, { source, transport, text: `${source} ${name} ${JSON.stringify(detail)}`.toLowerCase() });
    find("time").textContent = CLOCK.format();
    find(".source").textContent = source;
    find(".name").textContent = name;
    find(".position").textContent = detail.position ?? "";
    find(".gist").textContent = gistOf(detail);
    // The JSON is rendered only when the entry is opened.
    find("details").addEventListener("toggle", () => (find("pre").textContent = JSON.stringify(detail, null, 2)), { once: true });
    this.filter(entry);
    this.entries.prepend(entry);
    while (this.entries.children.length > LOG_LENGTH) this.entries.lastElementChild.remove();
  },

  filter(entry) {
    const isSource = !this.source.value || entry.dataset.source === this.source.value;
    entry.hidden = !(isSource && entry.dataset.text.includes(this.search.value.trim().toLowerCase()));
  },

  filterAll() {
    for (const entry of this.entries.children) this.filter(entry);
  },

  /** Offer the inboxes of these panels as sources to filter by. */
  listSources(panels) {
    const sources = panels.map(({ userId, transport }) => `${userId} ${transport}`);
    const chosen = this.source.value;
    this.source.length = 1; // all but "all inboxes"
    this.source.append(...sources.map((source) => new Option(source, source, false, source === chosen)));
    this.filterAll();
  },
};

log.source.addEventListener("change", () => log.filterAll());
log.search.addEventListener("input", () => log.filterAll());
byId("log-clear").addEventListener("click", () => log.entries.replaceChildren());
