/**
 * The browser client of the inbox gateway: one ES module, no dependencies, no build step.
 *
 *     import { Inbox, InboxClient } from "/client.js";
 *
 *     const client = new InboxClient({ apiKey, userExternalId: "ada", userHmac });
 *     const inbox = new Inbox(client);
 *     inbox.addEventListener("change", () => render(inbox.state));
 *     inbox.start();
 *
 * How the live protocol works
 * ---------------------------
 * Each change to a user's inbox is an event with a position, "epoch.offset". Offsets count 1, 2, 3, …
 * without gaps; the epoch names the life of the log they count. The server greets each connection with
 * `ready`, which says after which position the stream begins, then sends `event` after `event`.
 *
 * When a connection is lost we come back with the last position we handled (`since`), and the server
 * sends exactly what we missed. If it no longer can, it says `reset`: fetch once, then go on from there.
 * So a lost connection costs nothing but time, and whenever this file is in doubt about a connection it
 * drops it and resumes.
 *
 * WebSocket and server-sent events carry the same JSON objects. They differ in how credentials travel
 * (first message or headers; never in the URL, which ends up in logs) and in how a peer proves to be
 * alive (ping and pong, or a comment line every heartbeat). An event may have megabytes, as a notification may.
 *
 * Layers, top down: Inbox (what to show) > applyEvent (what an event means) > InboxClient (REST, and one
 * gapless stream out of many connections) > Connection (one connection and its heartbeats) > transports.
 */

/** Where the gateway is that served this module, also below a path that a proxy adds; unset in a bundle. */
const SERVED_FROM = /^https?:[^?#]*\/client\.js([?#]|$)/.test(import.meta.url) ? new URL(".", import.meta.url).href : undefined;

const CONNECT_TIMEOUT_MS = 10_000; // as long as the server gives us to authenticate
const REQUEST_TIMEOUT_MS = 15_000;
const SILENT_HEARTBEATS = 2.5; // from the protocol: a peer silent for so many heartbeats is gone
const BACKOFF_START_MS = 1_000;
const BACKOFF_LIMIT_MS = 30_000;
const STABLE_MS = 10_000; // a connection that lived this long proves the server well again

// ---------------------------------------------------------------------------------------------------
// The inbox
// ---------------------------------------------------------------------------------------------------

/**
 * A user's inbox that keeps itself up to date: what the REST API answered, plus every event since.
 *
 * Dispatches "change" (detail: the message that caused it, or null after a fetch) and "error".
 *
 * Why this is exact: the answer of a fetch says as of which position of the log it is, and so does our
 * state from then on. An event at or before that position is in there already and changes nothing; the
 * one after it takes the state one step further. We fetch only after `ready` or `reset`, so no answer is
 * older than the stream, and what comes while we wait for it is held and applied on top.
 */
export class Inbox extends EventTarget {
  #client;
  #perPage;
  #keep;
  #state = EMPTY_INBOX;
  #held = null; // events that came during the fetch under way; also tells that fetch from later ones
  #retryTimer = null;
  #listening;

  /** `perPage` items are fetched; at most `keep` stay, as a page left open must not grow for ever. */
  constructor(client, { perPage = 50, keep = 500 } = {}) {
    super();
    this.#client = client;
    this.#perPage = perPage;
    this.#keep = Math.max(keep, perPage);
  }

  /** What to show: see `applyEvent`. Never changed in place, so comparing with `===` finds changes. */
  get state() {
    return this.#state;
  }

  /** True while what is shown may be out of date: before the first fetch, and from a reset to its fetch. */
  get stale() {
    return this.#state.position === null;
  }

  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#client.addEventListener("ready", ({ detail }) => this.#onReady(detail), { signal });
    this.#client.addEventListener("event", ({ detail }) => this.#onEvent(detail), { signal });
    this.#client.addEventListener("reset", () => this.#onReset(), { signal });
    this.#client.connect();
    if (this.#client.state === "live") this.#onReset(); // it was so before, so no `ready` will come
  }

  stop() {
    this.#listening?.abort();
    this.#listening = null;
    this.#held = null;
    this.#cancelRetry();
    this.#client.close();
  }

  #onReady(ready) {
    if (!this.stale) return; // a resumed stream just goes on
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

  /** Whether so much was deleted that older items should fill up, and no fetch is about to bring them. */
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
      // The counts in an answer follow its filters, so the counts of what is not archived are a second
      // question. Asked afterwards, it is never answered as of an earlier position than the page; as of a
      // later one at times, but then the events up to there are held or on their way, with all counts.
      const unarchived = await this.#client.list({ perPage: 1, archived: false });
      if (this.#held !== held) return; // stopped, or a later fetch has taken over
      this.#held = null;
      // An inbox without a log has no position. It is empty, and was so when we began.
      page.position ??= position;
      this.#show(held.reduce(applyEvent, inboxFrom(page, unarchived)), null);
    } catch (error) {
      if (this.#held !== held) return;
      this.#held = null;
      emit(this, "error", error);
      if (error.permanent) return; // the next `ready` tries again
      this.#retryTimer = setTimeout(() => this.#fetch(attempt + 1), retryDelayMs(attempt, error.retryAfterMs));
    }
  }

  #cancelRetry() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }

  /** Counts are as of their message, so they can be shown before the items are known. */
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

// ---------------------------------------------------------------------------------------------------
// The reducer
// ---------------------------------------------------------------------------------------------------

const EMPTY_INBOX = Object.freeze({
  position: null,
  notifications: [],
  total: 0,
  hasMore: false,
  unreadCount: 0,
  unseenCount: 0,
  unarchived: { unreadCount: 0, unseenCount: 0 },
});

/**
 * Return the state of an inbox after an event; pure.
 *
 * The state is `{position, notifications, total, hasMore, unreadCount, unseenCount, unarchived:
 * {unreadCount, unseenCount}}`. `position` is that of the last event in it, null while the state is out of
 * date. `notifications` are the newest of all `total` items, archived ones included, newest first;
 * `hasMore` says that there are older ones. The events after a fetch, applied to its answer, give what a
 * fresh fetch would answer, as far down as `notifications` reaches. Items that an event leaves alone stay
 * the same object.
 *
 * An event that is in the state already changes nothing, nor does one of another log. Unknown events
 * only update the counts, which are never added up: each event carries them.
 */
export function applyEvent(inbox, event) {
  const follows = stepsBetween(inbox.position, event.position) > 0;
  if (!follows) return inbox;
  const notifications = notificationsAfter(inbox.notifications, event);
  const total = inbox.total + (ADDED_ITEMS[event.name] ?? 0);
  return {
    position: event.position,
    notifications,
    total,
    hasMore: total > notifications.length,
    ...countsFrom(event),
  };
}

const ADDED_ITEMS = { "notifications/new": 1, "notifications/delete": -1 };

function notificationsAfter(notifications, { name, data }) {
  switch (name) {
    case "notifications/new":
      return [data.notification, ...notifications];
    case "notifications/read":
    case "notifications/unread":
    case "notifications/seen":
    case "notifications/archive":
    case "notifications/unarchive":
      // Only replace: an item we do not have is older than our oldest.
      return notifications.map((item) => (item.id === data.id ? data.notification : item));
    case "notifications/delete":
      return notifications.filter((item) => item.id !== data.id);
    case "notifications/read/all":
      return notifications.map((item) => (matches(item, data.filters) ? asRead(item, data.at) : item));
    case "notifications/seen/all":
      return notifications.map((item) => (matches(item, data.filters) ? asSeen(item, data.at) : item));
    default:
      return notifications;
  }
}

function matches(item, { read, seen, archived, categories, topics } = {}) {
  const isSet = (wanted, timestamp) => wanted === undefined || wanted === (timestamp !== null);
  const isOneOf = (wanted, value) => !wanted?.length || wanted.includes(value);
  return (
    isSet(read, item.read_at) &&
    isSet(seen, item.seen_at) &&
    isSet(archived, item.archived_at) &&
    isOneOf(categories, item.category || "uncategorized") && // so it is called, and a backend may spell it out
    isOneOf(topics, item.topic)
  );
}

function asSeen(item, at) {
  return item.seen_at === null ? { ...item, seen_at: at } : item;
}

/** Reading also sees. */
function asRead(item, at) {
  return item.read_at === null ? { ...asSeen(item, at), read_at: at } : asSeen(item, at);
}

function countsFrom({ unread_count, unseen_count, unarchived }) {
  return {
    unreadCount: unread_count,
    unseenCount: unseen_count,
    unarchived: { unreadCount: unarchived.unread_count, unseenCount: unarchived.unseen_count },
  };
}

// ---------------------------------------------------------------------------------------------------
// The client
// ---------------------------------------------------------------------------------------------------

/**
 * One user's access to the gateway: REST calls, and a live stream without gaps or duplicates.
 *
 * Dispatches, with what the server sent as `detail`: "ready", "event", "reset" (what you know is out of
 * date: fetch), "goodbye", "renewed", "error"; and "state" with
 * `{state, reason?, code?, status?, retryInMs?}`, where state is one of
 *
 *     connecting   a connection is being opened
 *     live         events arrive
 *     waiting      the connection was lost; the next attempt comes in `retryInMs`
 *     closed       `close` was called, or the server wants us no more (`reason` says why)
 *
 * Call `close` when done; until then it reconnects for ever.
 */
export class InboxClient extends EventTarget {
  #baseUrl;
  #transport;
  #throughStream = false; // whether the next connection is an event stream, whatever was asked for
  #credentials; // as the first WebSocket message spells them
  #headers; // the same, as REST and server-sent events spell them
  #position;
  #state = "closed";
  #connection = null;
  #attempts = 0;
  #liveSince = Infinity;
  #retryTimer;
  #retryNotBefore = 0;
  #listening;

  /**
   * Identify the user by `token`, or by `userExternalId` or `userEmail` with the `userHmac` that your
   * backend computed. `since` is the position of an earlier stream, to go on from there.
   */
  constructor({
    baseUrl = SERVED_FROM ?? globalThis.location?.origin,
    apiKey,
    userExternalId,
    userEmail,
    userHmac,
    token,
    transport = "websocket",
    since = null,
  } = {}) {
    super();
    if (!(transport in TRANSPORTS)) throw new TypeError(`transport must be one of ${Object.keys(TRANSPORTS)}`);
    this.#baseUrl = new URL(baseUrl).href.replace(/\/$/, "");
    this.#transport = transport;
    this.#position = since;
    this.#credentials = withoutUnset({
      api_key: apiKey,
      user_external_id: userExternalId,
      user_email: userExternalId === undefined ? userEmail : undefined, // the external id would win anyway
      user_hmac: userHmac,
      token,
    });
    // Events caused by this client carry this id. Not randomUUID: that exists on secure origins only.
    this.clientId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    this.#headers = this.#buildHeaders();
  }

  get transport() {
    return this.#transport;
  }

  get state() {
    return this.#state;
  }

  /** The position of the last event handled: pass it as `since` to go on from here some other time. */
  get position() {
    return this.#position;
  }

  // REST ----------------------------------------------------------------------------------------------

  /**
   * Return a page of notifications, newest first, with the counts of all that the filters let through,
   * and the `position` of the log as of this page (null for a user who has none yet).
   */
  async list({ page, perPage, ...filters } = {}) {
    const response = await this.#request("GET", "/notifications", { page, per_page: perPage, ...filters });
    return { ...(await response.json()), position: response.headers.get("X-Inbox-Position") };
  }

  async get(id) {
    const response = await this.#request("GET", notificationPath(id));
    return (await response.json()).notification;
  }

  /** Mark as read, which also marks as seen. */
  read(id) {
    return this.#change("POST", notificationPath(id, "/read"));
  }

  unread(id) {
    return this.#change("POST", notificationPath(id, "/unread"));
  }

  seen(id) {
    return this.#change("POST", notificationPath(id, "/seen"));
  }

  archive(id) {
    return this.#change("POST", notificationPath(id, "/archive"));
  }

  unarchive(id) {
    return this.#change("DELETE", notificationPath(id, "/archive"));
  }

  delete(id) {
    return this.#change("DELETE", notificationPath(id));
  }

  /** Mark all as read that the filters let through: `{read, seen, archived, categories, topics}`. */
  readAll(filters = {}) {
    return this.#change("POST", "/notifications/read", filters);
  }

  seenAll(filters = {}) {
    return this.#change("POST", "/notifications/seen", filters);
  }

  async #change(method, path, filters) {
    await this.#request(method, path, filters);
  }

  async #request(method, path, query = {}) {
    const response = await fetch(this.#url(path, query), {
      method,
      headers: this.#headers,
      cache: "no-store",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw await InboxError.from(response);
    return response;
  }

  #url(path, query = {}) {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries(withoutUnset(query))) {
      for (const value of [values].flat()) parameters.append(name, value);
    }
    const search = parameters.toString();
    return this.#baseUrl + path + (search && `?${search}`);
  }

  #buildHeaders() {
    const { api_key, user_external_id, user_email, user_hmac, token } = this.#credentials;
    return new Headers(
      withoutUnset({
        "X-MAGICBELL-API-KEY": api_key,
        "X-MAGICBELL-USER-EXTERNAL-ID": user_external_id,
        "X-MAGICBELL-USER-EMAIL": user_email,
        "X-MAGICBELL-USER-HMAC": user_hmac,
        "X-MAGICBELL-CLIENT-ID": this.clientId,
        Authorization: token && `Bearer ${token}`,
      }),
    );
  }

  // The live stream -----------------------------------------------------------------------------------

  /** Open the live stream, after `position` if there is one. */
  connect() {
    if (this.#state !== "closed") return;
    this.#attempts = 0;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    globalThis.addEventListener?.("online", () => this.#onOnline(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => this.#onVisibilityChange(), { signal });
    this.#open();
  }

  /** Close the live stream and everything that belongs to it. `connect` resumes it. */
  close() {
    this.#stop({ reason: "closed by this page" });
  }

  /** Lose the connection, as a bad network would, and come back after `retryAfterMs` at the earliest. */
  drop({ retryAfterMs = 0, reason = "dropped by this page" } = {}) {
    this.#attempts = 0; // no fault of the server, so no reason to be patient with it
    this.#connection?.end({ reason, retryAfterMs });
  }

  /** Use another token from now on; call it before the present one expires. */
  renew(token) {
    this.#credentials = { ...this.#credentials, token };
    this.#headers = this.#buildHeaders();
    if (this.#state !== "live") return;
    const sent = this.#connection.send({ type: "auth", token });
    if (!sent) this.#reopen(); // the headers of a stream that is open cannot change
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#setState("connecting");
    this.#connection = new Connection(
      TRANSPORTS[this.#throughStream ? "sse" : this.#transport],
      {
        url: (path, query) => this.#url(path, query),
        headers: this.#headers,
        credentials: this.#credentials,
        since: this.#position,
      },
      {
        onMessage: (message) => this.#onMessage(message),
        onEnd: (why) => this.#onEnd(why),
      },
    );
  }

  #onMessage(message) {
    switch (message.type) {
      case "ready":
        return this.#onReady(message);
      case "event":
        return this.#onEvent(message);
      case "reset":
        this.#position = message.position;
        return emit(this, "reset", message);
      case "goodbye":
        emit(this, "goodbye", message);
        // Not waiting for the close that follows: if the network loses it, the code in here still counts.
        return this.#connection?.end({ ...message, retryAfterMs: message.retry_after_ms });
      case "renewed":
      case "error":
        return emit(this, message.type, message);
      default: // "pong" has done its work by arriving; what we do not know is from a newer server
    }
  }

  #onReady(ready) {
    // If the server cannot resume, `ready` names another position than ours, and `reset` follows. We keep
    // ours until that is here: were the connection lost in between, then the next one would go on from a
    // position whose past we never saw, and nobody would ever notice.
    const resumed = this.#position === ready.position;
    this.#position ??= ready.position;
    this.#liveSince = Date.now();
    this.#connection.keepAlive(ready.heartbeat_seconds);
    this.#setState("live", { resumed });
    emit(this, "ready", ready);
  }

  #onEvent(event) {
    const steps = stepsBetween(this.#position, event.position);
    if (steps <= 0) return; // a duplicate
    if (steps !== 1) {
      // The server promises that this cannot happen. Resuming makes it send what is missing, or `reset`.
      this.#connection.end({ reason: `${event.position} does not follow ${this.#position}` });
      return;
    }
    this.#position = event.position;
    emit(this, "event", event);
  }

  #onEnd(why) {
    this.#connection = null;
    // A WebSocket shows a message when it is complete: a large event on a slow line looks like silence for minutes. An
    // event stream shows each piece. So after a silence one connection is a stream, which gets such an event across.
    this.#throughStream = why.silent === true && !this.#throughStream;
    // Counting attempts until a connection has lasted, not until one was made: a server that accepts
    // everybody and dies of it must not get everybody back at once.
    if (Date.now() - this.#liveSince >= STABLE_MS) this.#attempts = 0;
    this.#liveSince = Infinity;
    if (why.permanent || isPermanent(why.code)) return this.#stop(why);
    const retryInMs = retryDelayMs(this.#attempts++, why.retryAfterMs);
    this.#retryNotBefore = Date.now() + (why.retryAfterMs ?? 0);
    this.#retryTimer = setTimeout(() => this.#open(), retryInMs);
    this.#setState("waiting", { ...why, retryInMs: Math.round(retryInMs) });
  }

  #stop(why) {
    if (this.#state === "closed") return;
    clearTimeout(this.#retryTimer);
    this.#listening.abort();
    this.#connection?.abandon();
    this.#connection = null;
    this.#setState("closed", why);
  }

  /** The network came back: a connection that outlived its absence is unlikely, and a new one is cheap. */
  #onOnline() {
    if (this.#state === "live") this.#reopen();
    else this.#hurry();
  }

  /** The page is looked at again. Phones keep dead streams "open", and no timer ran to find out. */
  #onVisibilityChange() {
    if (document.hidden) return;
    if (this.#connection?.silent) this.#reopen();
    else this.#hurry();
  }

  /** Spare somebody who is waiting the rest of our back-off, but not what the server asked for. */
  #hurry() {
    if (this.#state === "waiting" && Date.now() >= this.#retryNotBefore) this.#open();
  }

  #reopen() {
    this.#connection.abandon();
    this.#open();
  }

  #setState(state, detail = {}) {
    this.#state = state;
    emit(this, "state", { ...detail, state });
  }
}

/** A refused request: `status`, `errors` as the server listed them, and `retryAfterMs` if it said. */
export class InboxError extends Error {
  constructor(status, errors, retryAfterMs) {
    super(errors.map(({ message }) => message).join("; ") || `HTTP ${status}`);
    this.name = "InboxError";
    this.status = status;
    this.errors = errors;
    this.code = errors[0]?.code;
    this.retryAfterMs = retryAfterMs;
  }

  static async from(response) {
    const body = await response.json().catch(() => null); // a proxy in between answers with a page
    return new InboxError(response.status, body?.errors ?? [], retryAfterMs(response));
  }

  /** Whether asking again with the same credentials is in vain. */
  get permanent() {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * Return the proof that your backend vouches for a user: base64(HMAC-SHA256(API secret, user id)).
 *
 * `userId` is the external id, or else the email in lower case. This belongs into a backend, which is
 * where the API secret lives; it is here for demos and tests. Needs a secure origin (https or localhost).
 */
export async function userHmac(apiSecret, userId) {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(apiSecret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(userId));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}

// ---------------------------------------------------------------------------------------------------
// One connection
// ---------------------------------------------------------------------------------------------------

/**
 * A connection from its opening to its end, with all of its timers.
 *
 * `onEnd` is called once, with `{reason, code?, status?, retryAfterMs?, permanent?}`; nothing is called
 * after it, and nothing at all after `abandon`.
 */
class Connection {
  #transport;
  #onEnd;
  #over = false;
  #heardAt = Date.now(); // wall clock: others stop while a laptop sleeps; a jump costs one needless resume
  #heartbeatMs = Infinity;
  #deadline;
  #pingTimer;

  constructor(openTransport, target, { onMessage, onEnd }) {
    this.#onEnd = onEnd;
    this.#deadline = setTimeout(() => this.end({ reason: "no answer" }), CONNECT_TIMEOUT_MS);
    this.#transport = openTransport(target, {
      heard: () => (this.#heardAt = Date.now()),
      message: (json) => this.#over || onMessage(JSON.parse(json)),
      end: (why) => this.end(why),
    });
  }

  /** Whether the peer has been quiet for longer than its heartbeats allow. */
  get silent() {
    return Date.now() - this.#heardAt > 1.2 * this.#heartbeatMs; // heartbeats arrive a little late, too
  }

  /** Watch the peer's heartbeats and send our own, from `ready` on. */
  keepAlive(heartbeatSeconds) {
    this.#clearTimers();
    this.#heartbeatMs = heartbeatSeconds * 1000;
    const watch = () => {
      const leftMs = this.#heardAt + SILENT_HEARTBEATS * this.#heartbeatMs - Date.now();
      if (leftMs <= 0) this.end({ reason: "the server fell silent", silent: true });
      else this.#deadline = setTimeout(watch, leftMs);
    };
    const ping = () => {
      this.send({ type: "ping" });
      this.#pingTimer = setTimeout(ping, this.#heartbeatMs);
    };
    watch();
    // The first one at a random moment, or those who reconnected together would ping together for ever.
    this.#pingTimer = setTimeout(ping, Math.random() * this.#heartbeatMs);
  }

  /** Send a message, and return whether this transport has a way to the server at all. */
  send(message) {
    return this.#transport.send(message);
  }

  end(why) {
    if (this.#over) return;
    this.abandon();
    this.#onEnd(why);
  }

  abandon() {
    this.#over = true;
    this.#clearTimers();
    this.#transport.close();
  }

  #clearTimers() {
    clearTimeout(this.#deadline);
    clearTimeout(this.#pingTimer);
  }
}

// ---------------------------------------------------------------------------------------------------
// Transports: functions that open a connection, report to `heard`, `message` and `end` (never before
// they return), and return {send, close}
// ---------------------------------------------------------------------------------------------------

const TRANSPORTS = { websocket: openWebSocket, sse: openEventStream };

function openWebSocket({ url, credentials, since }, { heard, message, end }) {
  const socket = new WebSocket(url("/realtime/ws").replace(/^http/, "ws"), "inbox.v1");
  const send = (outgoing) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(outgoing));
    return true;
  };
  socket.onopen = () => send(withoutUnset({ type: "auth", ...credentials, since }));
  socket.onmessage = ({ data }) => {
    heard();
    message(data);
  };
  socket.onclose = ({ code, reason }) => end({ code, reason: reason || `closed with code ${code}` });
  return {
    send,
    close() {
      // Closing waits for the peer, who may be gone: do not listen to it any longer.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

/**
 * Open an event stream with `fetch` instead of `EventSource`, which cannot send headers, hides why it
 * was refused, and does not show the comments that are the heartbeats.
 */
function openEventStream({ url, headers, since }, { heard, message, end }) {
  const aborting = new AbortController();
  readEventStream(url("/realtime/sse", { since }), headers, aborting.signal, { heard, message }).then(end, (error) =>
    end({ reason: `connection lost: ${error.message}` }),
  );
  return { send: () => false, close: () => aborting.abort() };
}

/** Read a stream to its end, and return why it ended. */
async function readEventStream(url, headers, signal, { heard, message }) {
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.status === 204) return { status: 204, reason: "the server has no stream for us", permanent: true };
  if (!response.ok) {
    const error = await InboxError.from(response);
    const { status, code, retryAfterMs, permanent } = error;
    return { status, reason: error.message, errorCode: code, retryAfterMs, permanent };
  }
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended", retryAfterMs: parser.retryMs };
    heard();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) message(data);
  }
}

/**
 * A parser of text/event-stream, fed piece by piece.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  /** How long to wait before reconnecting, if the server said. */
  retryMs;
  #unfinishedLine = "";
  #endedInCarriageReturn = false;
  #data = [];
  #event = "";
  #id = "";

  /** Take the next piece of text, and return the events that it completes: `{event, data, id}`. */
  push(text) {
    if (text === "") return [];
    // A line ends in CR LF, LF or CR. A CR ends it at once; if the LF comes with the next piece, skip it.
    if (this.#endedInCarriageReturn && text.startsWith("\n")) text = text.slice(1);
    this.#endedInCarriageReturn = text.endsWith("\r");
    const lines = (this.#unfinishedLine + text).split(/\r\n|\n|\r/);
    this.#unfinishedLine = lines.pop();
    return lines.flatMap((line) => (line === "" ? this.#dispatch() : this.#takeField(line)));
  }

  #takeField(line) {
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/su.exec(line);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    return []; // a field completes nothing; and a comment is a line whose field has no name
  }

  #dispatch() {
    const complete = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#event = "";
    return hasData ? [complete] : [];
  }
}

// ---------------------------------------------------------------------------------------------------
// Small things
// ---------------------------------------------------------------------------------------------------

/**
 * How long to wait before the next attempt: what the server asked for, then a random part of a time
 * that doubles. All of it is random ("full jitter"), as that spreads a crowd best.
 */
function retryDelayMs(attempt, askedForMs = 0) {
  return askedForMs + Math.random() * Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** attempt);
}

/** Our codes say so by their range; 1008 (policy) and 1009 (too big) would only happen again. */
function isPermanent(closeCode) {
  return closeCode === 1008 || closeCode === 1009 || (closeCode >= 4500 && closeCode <= 4999);
}

function retryAfterMs(response) {
  const value = response.headers.get("Retry-After"); // seconds, or a date
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : undefined;
}

/** How many events lie between two positions; NaN if they are positions in different logs. */
function stepsBetween(from, to) {
  const [before, after] = [parsePosition(from), parsePosition(to)];
  return before.epoch === after.epoch ? after.offset - before.offset : NaN;
}

/** The epoch is the server's business; it may contain dots. */
function parsePosition(position) {
  const dot = position.lastIndexOf(".");
  return { epoch: position.slice(0, dot), offset: Number(position.slice(dot + 1)) };
}

function notificationPath(id, action = "") {
  return `/notifications/${encodeURIComponent(id)}${action}`;
}

function withoutUnset(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null));
}

function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}
