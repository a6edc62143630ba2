/** An in-memory model of the server, independent of client.js, and a client of it that the test controls. */

/** Seeded random numbers (mulberry32), so that a failure can be reproduced. */
export function seeded(seed) {
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const chance = (probability) => random() < probability;
  const pick = (choices) => choices[Math.floor(random() * choices.length)];
  return { random, chance, pick };
}

const ITEM_COMMANDS = ["read", "unread", "seen", "archive", "unarchive", "delete"];
const COMMANDS = ["new", "new", "new", "new", ...ITEM_COMMANDS, "read/all", "seen/all", "archive/all"];
const isUnread = (item) => item.read_at === null;
const isUnseen = (item) => item.seen_at === null;
const isUnarchived = (item) => item.archived_at === null;

export class Server {
  items = []; // newest first
  log = [];
  keep = Infinity; // the most items; a new one displaces the oldest
  states = new Map(); // by position: the state of an inbox that received every event
  #logs = 1;
  #items = 0;
  #clock = 1000;

  constructor(dice) {
    this.dice = dice;
    this.#remember();
  }

  /** An epoch is opaque to clients, so this one contains a dot. */
  get position() {
    return `epoch.${this.#logs}.${this.log.length}`;
  }

  steps(count) {
    for (let step = 0; step < count; step++) this.#step(this.dice.pick(COMMANDS));
    return this;
  }

  delete(item) {
    this.#do("delete", item);
  }

  /** Simulate a Redis restored from a backup: the newest items are lost, and a new log begins. */
  loseData() {
    this.items = this.items.slice(this.dice.pick([0, 1, 2]));
    this.log = [];
    this.#logs += 1;
    this.#remember();
  }

  list({ perPage = Infinity, archived } = {}) {
    const found = this.items.filter((item) => archived === undefined || archived !== isUnarchived(item));
    return structuredClone({
      notifications: found.slice(0, perPage),
      total: found.length,
      position: this.position,
      ...counts(found),
    });
  }

  /** The counts that every message of the stream carries. */
  counts() {
    return { ...counts(this.items), unarchived: counts(this.items.filter(isUnarchived)) };
  }

  #step(command) {
    const { chance, pick } = this.dice;
    if (chance(0.3)) this.#clock += 1;
    if (command === "new") {
      const item = {
        id: `item ${(this.#items += 1)}`,
        category: pick(["", "uncategorized", "a", "b"]),
        topic: pick([null, "x", "y"]),
        sent_at: this.#clock,
        seen_at: null,
        read_at: null,
        archived_at: null,
      };
      this.items.unshift(item);
      this.#append(command, { id: item.id, notification: structuredClone(item) });
      while (this.items.length > this.keep) this.delete(this.items.at(-1));
    } else if (command.endsWith("all")) {
      const filters = {
        ...(chance(0.3) && { read: chance(0.5) }),
        ...(chance(0.3) && { seen: chance(0.5) }),
        ...(chance(0.3) && { archived: chance(0.5) }),
        ...(chance(0.3) && { categories: pick([["a"], ["uncategorized"], ["a", "b"]]) }),
        ...(chance(0.2) && { topics: ["x"] }),
      };
      for (const item of this.items.filter((item) => matches(item, filters))) this.#change(item, command);
      this.#append(command, { at: this.#clock, filters });
    } else if (this.items.length > 0) {
      this.#do(command, pick(this.items));
    }
  }

  #do(command, item) {
    this.#change(item, command);
    this.#append(command, { id: item.id, notification: structuredClone(item) });
  }

  #change(item, command) {
    if (command.startsWith("read") || command.startsWith("seen")) item.seen_at ??= this.#clock;
    if (command.startsWith("read")) item.read_at ??= this.#clock;
    if (command === "unread") item.read_at = null;
    if (command.startsWith("archive")) item.archived_at ??= this.#clock;
    if (command === "unarchive") item.archived_at = null;
    if (command === "delete") this.items.splice(this.items.indexOf(item), 1);
  }

  #append(command, data) {
    const event = { type: "event", name: `notifications/${command}`, data, ...this.counts() };
    this.log.push(event);
    event.position = this.position;
    this.#remember();
  }

  #remember() {
    this.states.set(this.position, stateFrom(this.list(), this.list({ archived: false })));
  }
}

/** Return the state of an inbox for two responses: to all items, and to the unarchived ones. */
export function stateFrom(page, unarchived) {
  return {
    position: page.position,
    notifications: page.notifications,
    total: page.total,
    hasMore: page.total > page.notifications.length,
    unreadCount: page.unread_count,
    unseenCount: page.unseen_count,
    unarchived: { unreadCount: unarchived.unread_count, unseenCount: unarchived.unseen_count },
  };
}

function counts(items) {
  return { unread_count: items.filter(isUnread).length, unseen_count: items.filter(isUnseen).length };
}

function matches(item, { read, seen, archived, categories, topics }) {
  if (read === isUnread(item) || seen === isUnseen(item) || archived === isUnarchived(item)) return false;
  if (categories && !categories.includes(item.category === "" ? "uncategorized" : item.category)) return false;
  return !topics || topics.includes(item.topic);
}

/** The part of InboxClient that Inbox uses. It does nothing until the test calls it. */
export class Client extends EventTarget {
  state = { status: "ended" };
  requests = []; // sent, not yet received by the server
  responses = []; // sent, not yet received by the client

  constructor(server) {
    super();
    this.server = server;
    this.#continueFromHere();
  }

  connect() {
    this.state = { status: "connecting" };
  }

  close() {
    this.state = { status: "ended" };
  }

  list(query) {
    return new Promise((resolve, reject) => this.requests.push({ query, resolve, reject }));
  }

  /** Let the server respond to the oldest request, or fail with `error`. */
  respond(error) {
    const { query, resolve, reject } = this.requests.shift() ?? {};
    if (!query) return;
    const response = this.server.list(query);
    this.responses.push(() => (error ? reject(error) : resolve(response)));
  }

  /** Let the oldest response arrive. */
  async arrive() {
    this.responses.shift()?.();
    await new Promise(setImmediate);
  }

  ready() {
    this.state = { status: "live" };
    this.#emit("ready", { type: "ready", position: this.position, ...this.server.counts() });
  }

  get hasMissed() {
    return this.log !== this.server.log || this.handled < this.log.length;
  }

  /** Let the next event of the stream arrive, even from a log that is lost. */
  next() {
    const event = this.log[this.handled];
    if (!event) return;
    this.handled += 1;
    this.position = event.position;
    this.#emit("event", event);
  }

  reset() {
    this.#continueFromHere();
    this.#emit("reset", { type: "reset", position: this.position, reason: "position_expired" });
  }

  #continueFromHere() {
    this.log = this.server.log;
    this.handled = this.log.length;
    this.position = this.server.position;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
