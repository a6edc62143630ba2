/** An in-memory model of the server, independent of the client, and a client of it that the test controls. */

import { InboxClient, InboxError } from "../../gateway/web/dist/client.js";

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

const REFUSED = { code: "refused", message: "refused" };
const ITEM_COMMANDS = ["read", "unread", "seen", "archive", "unarchive", "delete"];
const COMMANDS = ["new", "new", "new", "new", ...ITEM_COMMANDS, "read/all", "seen/all", "archive/all"];
const isUnread = (item) => item.read_at === null;
const isUnseen = (item) => item.seen_at === null;
const isUnarchived = (item) => item.archived_at === null;

export class Server {
  items = []; // newest first
  log = [];
  keep = Infinity; // the most items; a new one displaces the oldest
  isSilent = false; // whether responses to actions have no position, and those of an inbox without a log neither
  #logs = 1;
  #items = 0;
  #clock = 1000;

  constructor(dice) {
    this.dice = dice;
  }

  /** An epoch is opaque to clients, so this one contains a dot. */
  get position() {
    return `epoch.${this.#logs}.${this.log.length}`;
  }

  steps(count, commands = COMMANDS) {
    for (let step = 0; step < count; step++) this.#step(this.dice.pick(commands));
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
  }

  /** Handle a request; the body is undefined if there is no such notification. */
  handle(method, path, query, clientId) {
    const [, , id, end] = path.split("/").map(decodeURIComponent);
    const done = (body) => ({ body, position: this.isSilent && !(body && this.log.length) ? null : this.position });
    if (method === "GET") return done(structuredClone(listOf(this.items, query)));
    if (id in { read: 1, seen: 1, archive: 1 }) {
      this.#changeAll(`${id}/all`, query, clientId);
      return done(null);
    }
    const item = this.items.find((item) => item.id === id);
    if (!item) return done(undefined);
    this.#do(method === "POST" ? end : end ? "unarchive" : "delete", item, clientId);
    return done(null);
  }

  /** The counts that every message of the stream carries. */
  counts() {
    const { unread_count, unseen_count } = listOf(this.items);
    return { unread_count, unseen_count, unarchived: listOf(this.items, { archived: false }) };
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
      this.#changeAll(command, filters);
    } else if (this.items.length > 0) {
      this.#do(command, pick(this.items));
    }
  }

  #do(command, item, clientId) {
    const before = JSON.stringify(item);
    this.#change(item, command);
    if (command !== "delete" && JSON.stringify(item) === before) return;
    this.#append(command, { id: item.id, notification: structuredClone(item), client_id: clientId });
  }

  #changeAll(command, filters, clientId) {
    const before = JSON.stringify(this.items);
    for (const item of this.items.filter((item) => matches(item, filters))) this.#change(item, command);
    if (JSON.stringify(this.items) !== before) this.#append(command, { at: this.#clock, filters, client_id: clientId });
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
  }
}

/** Return what a new fetch with a filter returns of all items. */
export function listOf(all, { page = 1, per_page = Infinity, ...filter } = {}) {
  const found = all.filter((item) => matches(item, filter));
  const first = page === 1 ? 0 : (page - 1) * per_page;
  return {
    notifications: found.slice(first, first + per_page),
    total: found.length,
    unread_count: found.filter(isUnread).length,
    unseen_count: found.filter(isUnseen).length,
  };
}

function matches(item, { read, seen, archived, categories, topics }) {
  if (read === isUnread(item) || seen === isUnseen(item) || archived === isUnarchived(item)) return false;
  if (categories && !categories.includes(item.category === "" ? "uncategorized" : item.category)) return false;
  return !topics || topics.includes(item.topic);
}

/** A client whose requests and stream do nothing until the test calls it. */
export class Client extends InboxClient {
  requests = []; // sent, not yet received by the server
  responses = []; // sent, not yet received by the client
  #status = "ended";
  #position = null;

  constructor(server) {
    super({ url: "http://model.example", apiKey: "key", userExternalId: "ada", userHmac: "hmac" });
    this.server = server;
    this.#continueFromHere();
  }

  get state() {
    return { status: this.#status };
  }

  get position() {
    return this.#position;
  }

  /** Whether nothing is on its way. */
  get isQuiet() {
    return this.#status === "live" && this.requests.length + this.responses.length === 0 && !this.hasMissed;
  }

  connect() {
    this.#status = "connecting";
  }

  /** Change the state of the connection. */
  become(status) {
    this.#status = status;
    this.#emit("state", this.state);
  }

  request(method, path, { query = {} } = {}) {
    return new Promise((resolve, reject) => this.requests.push({ method, path, query, resolve, reject }));
  }

  /** Let the server respond to the oldest request, or refuse it, or lose its response: `respond({ status, isLost })`. */
  respond({ status, isLost } = {}) {
    const { method, path, query, resolve, reject } = this.requests.shift() ?? {};
    if (!method) return;
    const refusal = status && new InboxError(status, [REFUSED]);
    const { body, position } = refusal ? {} : this.server.handle(method, path, query, this.clientId);
    const error = refusal ?? (isLost ? new InboxError(0, []) : body === undefined && new InboxError(404, [REFUSED]));
    const headers = new Headers(position ? { "X-Inbox-Position": position } : {});
    this.responses.push(() => (error ? reject(error) : resolve({ headers, json: async () => body })));
  }

  /** Let the oldest response arrive. */
  async arrive() {
    this.responses.shift()?.();
    await new Promise(setImmediate);
  }

  ready() {
    this.become("live");
    this.#emit("ready", { type: "ready", position: this.#position, ...this.server.counts() });
  }

  get hasMissed() {
    return this.log !== this.server.log || this.handled < this.log.length;
  }

  /** Let the next event of the stream arrive, even from a log that is lost. */
  next() {
    const event = this.log[this.handled];
    if (!event || this.#status !== "live") return;
    this.handled += 1;
    this.#position = event.position;
    this.#emit("event", structuredClone(event));
  }

  reset() {
    this.#continueFromHere();
    this.#emit("reset", { type: "reset", position: this.#position, reason: "position_expired", ...this.server.counts() });
  }

  #continueFromHere() {
    this.log = this.server.log;
    this.handled = this.log.length;
    this.#position = this.server.position;
  }

  #emit(type, detail) {
    if (detail.unarchived) this.latest = detail;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
