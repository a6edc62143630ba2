/* The browser client of the inbox gateway: an ES module, built from gateway/web/src/client. */

// src/client/errors.ts
var InboxError = class _InboxError extends Error {
  constructor(status, errors, retryAfterMs2) {
    super(errors.map(({ message }) => message).join("; ") || `HTTP ${status}`);
    this.name = "InboxError";
    this.status = status;
    this.errors = errors;
    this.code = errors[0]?.code;
    this.retryAfterMs = retryAfterMs2;
  }
  static async from(response) {
    const body = await response.json().catch(() => null);
    return new _InboxError(response.status, body?.errors ?? [], retryAfterMs(response));
  }
  /** Whether the same credentials would be refused again. */
  get permanent() {
    return this.status === 401 || this.status === 403;
  }
};
function retryAfterMs(response) {
  const value = response.headers.get("Retry-After");
  if (value === null) return void 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1e3 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : void 0;
}

// src/client/records.ts
function withoutUnset(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== void 0 && value !== null));
}

// src/client/api.ts
var REQUEST_TIMEOUT_MS = 15e3;
var Api = class {
  #baseUrl;
  #clientId;
  #headers;
  constructor(baseUrl, clientId, credentials) {
    this.#baseUrl = new URL(baseUrl).href.replace(/\/$/, "");
    this.#clientId = clientId;
    this.use(credentials);
  }
  /** The credentials as headers, which event streams send too. */
  get headers() {
    return this.#headers;
  }
  /** Use other credentials from now on. */
  use({ api_key, user_external_id, user_email, user_hmac, token }) {
    this.#headers = new Headers(
      withoutUnset({
        "X-MAGICBELL-API-KEY": api_key,
        "X-MAGICBELL-USER-EXTERNAL-ID": user_external_id,
        "X-MAGICBELL-USER-EMAIL": user_email,
        "X-MAGICBELL-USER-HMAC": user_hmac,
        "X-MAGICBELL-CLIENT-ID": this.#clientId,
        Authorization: token && `Bearer ${token}`
      })
    );
  }
  /** Return a successful response. Throws InboxError for any other status. */
  async request(method, path, query = {}) {
    const response = await fetch(this.url(path, query), {
      method,
      headers: this.#headers,
      cache: "no-store",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    });
    if (!response.ok) throw await InboxError.from(response);
    return response;
  }
  /** Return the URL of a path. A query value may be an array; null and undefined are left out. */
  url(path, query = {}) {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries(withoutUnset(query))) {
      for (const value of [values].flat()) parameters.append(name, value);
    }
    const search = parameters.toString();
    return this.#baseUrl + path + (search && `?${search}`);
  }
};

// src/client/backoff.ts
var BACKOFF_START_MS = 1e3;
var BACKOFF_LIMIT_MS = 3e4;
function retryDelayMs(attempt, askedForMs = 0) {
  return askedForMs + Math.random() * Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** attempt);
}
function isPermanent(closeCode) {
  return closeCode === 1008 || closeCode === 1009 || closeCode >= 4500 && closeCode <= 4999;
}

// src/client/connection.ts
var CONNECT_TIMEOUT_MS = 1e4;
var SILENT_HEARTBEATS = 2.5;
var Connection = class {
  #transport;
  #onEnd;
  #over = false;
  #receivedAt = Date.now();
  // wall clock, since others stop while a laptop sleeps; a jump costs one needless resume
  #heartbeatMs = Infinity;
  #deadline;
  #pingTimer;
  constructor(openTransport, target, { onMessage, onEnd }) {
    this.#onEnd = onEnd;
    this.#deadline = setTimeout(() => this.end({ reason: "no response in time" }), CONNECT_TIMEOUT_MS);
    this.#transport = openTransport(target, {
      received: () => this.#receivedAt = Date.now(),
      message: (json) => this.#over || onMessage(JSON.parse(json)),
      end: (why) => this.end(why)
    });
  }
  /** Whether nothing was received for longer than a heartbeat, with a tolerance for late ones. */
  get silent() {
    return Date.now() - this.#receivedAt > 1.2 * this.#heartbeatMs;
  }
  /** Send heartbeats, and end the connection when the server's stop. Call this after `ready`. */
  keepAlive(heartbeatSeconds) {
    this.#clearTimers();
    this.#heartbeatMs = heartbeatSeconds * 1e3;
    const watch = () => {
      const leftMs = this.#receivedAt + SILENT_HEARTBEATS * this.#heartbeatMs - Date.now();
      if (leftMs <= 0) this.end({ reason: "the server sends nothing", silent: true });
      else this.#deadline = setTimeout(watch, leftMs);
    };
    const ping = () => {
      this.send({ type: "ping" });
      this.#pingTimer = setTimeout(ping, this.#heartbeatMs);
    };
    watch();
    this.#pingTimer = setTimeout(ping, Math.random() * this.#heartbeatMs);
  }
  /** Send a message, and return whether this transport can send messages. */
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
};

// src/client/events.ts
function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}

// src/client/positions.ts
function stepsBetween(from, to) {
  const [before, after] = [parsePosition(from), parsePosition(to)];
  return before.epoch === after.epoch ? after.offset - before.offset : NaN;
}
function parsePosition(position) {
  const dot = position.lastIndexOf(".");
  return { epoch: position.slice(0, dot), offset: Number(position.slice(dot + 1)) };
}

// src/client/event_stream.ts
var EventStreamParser = class {
  /** How long to wait before reconnecting, if the server sent it. */
  retryMs;
  #unfinishedLine = "";
  #endedInCarriageReturn = false;
  #data = [];
  #event = "";
  #id = "";
  /** Parse the next piece of text, and return the events that it completes: `{event, data, id}`. */
  push(text) {
    if (text === "") return [];
    if (this.#endedInCarriageReturn && text.startsWith("\n")) text = text.slice(1);
    this.#endedInCarriageReturn = text.endsWith("\r");
    const lines = (this.#unfinishedLine + text).split(/\r\n|\n|\r/);
    this.#unfinishedLine = lines.pop();
    return lines.flatMap((line) => line === "" ? this.#dispatch() : this.#readField(line));
  }
  #readField(line) {
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/su.exec(line);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    return [];
  }
  #dispatch() {
    const complete = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#event = "";
    return hasData ? [complete] : [];
  }
};

// src/client/transports.ts
var TRANSPORTS = { websocket: openWebSocket, sse: openEventStream };
function openWebSocket({ url, credentials, since }, { received, message, end }) {
  const socket = new WebSocket(url("/realtime/ws").replace(/^http/, "ws"), "inbox.v1");
  const send = (outgoing) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(outgoing));
    return true;
  };
  socket.onopen = () => send(withoutUnset({ type: "auth", ...credentials, since }));
  socket.onmessage = ({ data }) => {
    received();
    message(data);
  };
  socket.onclose = ({ code, reason }) => end({ code, reason: reason || `closed with code ${code}` });
  return {
    send,
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  };
}
function openEventStream({ url, headers, since }, { received, message, end }) {
  const aborting = new AbortController();
  readEventStream(url("/realtime/sse", { since }), headers, aborting.signal, { received, message }).then(
    end,
    (error) => end({ reason: `connection lost: ${error.message}` })
  );
  return { send: () => false, close: () => aborting.abort() };
}
async function readEventStream(url, headers, signal, { received, message }) {
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.status === 204) return { status: 204, reason: "the user has too many open connections", permanent: true };
  if (!response.ok) {
    const error = await InboxError.from(response);
    const { status, code, retryAfterMs: retryAfterMs2, permanent } = error;
    return { status, reason: error.message, errorCode: code, retryAfterMs: retryAfterMs2, permanent };
  }
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (; ; ) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended", retryAfterMs: parser.retryMs };
    received();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) message(data);
  }
}

// src/client/inbox_client.ts
var SERVED_FROM = /^https?:[^?#]*\/client\.js([?#]|$)/.test(import.meta.url) ? new URL(".", import.meta.url).href : void 0;
var STABLE_MS = 1e4;
var InboxClient = class extends EventTarget {
  #api;
  #transport;
  #throughStream = false;
  // whether the next connection is an event stream, whatever `transport` is
  #credentials;
  // with the names of the first WebSocket message
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
   * backend computed. `since` is the position of an earlier stream to continue.
   */
  constructor({
    baseUrl = SERVED_FROM ?? globalThis.location?.origin,
    apiKey,
    userExternalId,
    userEmail,
    userHmac: userHmac2,
    token,
    transport = "websocket",
    since = null
  } = {}) {
    super();
    if (!(transport in TRANSPORTS)) throw new TypeError(`transport must be one of ${Object.keys(TRANSPORTS)}`);
    this.#transport = transport;
    this.#position = since;
    this.#credentials = withoutUnset({
      api_key: apiKey,
      user_external_id: userExternalId,
      user_email: userExternalId === void 0 ? userEmail : void 0,
      // the external id takes precedence anyway
      user_hmac: userHmac2,
      token
    });
    this.clientId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    this.#api = new Api(baseUrl, this.clientId, this.#credentials);
  }
  get transport() {
    return this.#transport;
  }
  get state() {
    return this.#state;
  }
  /** The position of the last event processed. Pass it as `since` to continue from here later. */
  get position() {
    return this.#position;
  }
  // REST ----------------------------------------------------------------------------------------------
  /**
   * Return a page of notifications, newest first, with the counts of all that match the filters, and the
   * `position` of the log at which the page was read (null for a user without a log).
   */
  async list({ page, perPage, ...filters } = {}) {
    const response = await this.#api.request("GET", "/notifications", { page, per_page: perPage, ...filters });
    return { ...await response.json(), position: response.headers.get("X-Inbox-Position") };
  }
  async get(id) {
    const response = await this.#api.request("GET", notificationPath(id));
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
  /** Mark all that match the filters as read: `{read, seen, archived, categories, topics}`. */
  readAll(filters = {}) {
    return this.#change("POST", "/notifications/read", filters);
  }
  /** Mark all that match the filters as seen. */
  seenAll(filters = {}) {
    return this.#change("POST", "/notifications/seen", filters);
  }
  async #change(method, path, filters) {
    await this.#api.request(method, path, filters);
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
  /** Close the live stream, its timers and its listeners. `connect` resumes it. */
  close() {
    this.#stop({ reason: "closed by this page" });
  }
  /** Drop the connection, as a bad network would, and reconnect after `retryAfterMs` at the earliest. */
  drop({ retryAfterMs: retryAfterMs2 = 0, reason = "dropped by this page" } = {}) {
    this.#attempts = 0;
    this.#connection?.end({ reason, retryAfterMs: retryAfterMs2 });
  }
  /** Use another token from now on. Call it before the current one expires. */
  renew(token) {
    this.#credentials = { ...this.#credentials, token };
    this.#api.use(this.#credentials);
    if (this.#state !== "live") return;
    const sent = this.#connection.send({ type: "auth", token });
    if (!sent) this.#reopen();
  }
  #open() {
    clearTimeout(this.#retryTimer);
    this.#setState("connecting");
    this.#connection = new Connection(
      TRANSPORTS[this.#throughStream ? "sse" : this.#transport],
      {
        url: (path, query) => this.#api.url(path, query),
        headers: this.#api.headers,
        credentials: this.#credentials,
        since: this.#position
      },
      {
        onMessage: (message) => this.#onMessage(message),
        onEnd: (why) => this.#onEnd(why)
      }
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
        return this.#connection?.end({ ...message, retryAfterMs: message.retry_after_ms });
      case "renewed":
      case "error":
        return emit(this, message.type, message);
      default:
    }
  }
  #onReady(ready) {
    const resumed = this.#position === ready.position;
    this.#position ??= ready.position;
    this.#liveSince = Date.now();
    this.#connection.keepAlive(ready.heartbeat_seconds);
    this.#setState("live", { resumed });
    emit(this, "ready", ready);
  }
  #onEvent(event) {
    const steps = stepsBetween(this.#position, event.position);
    if (steps <= 0) return;
    if (steps !== 1) {
      this.#connection.end({ reason: `${event.position} does not follow ${this.#position}` });
      return;
    }
    this.#position = event.position;
    emit(this, "event", event);
  }
  #onEnd(why) {
    this.#connection = null;
    this.#throughStream = why.silent === true && !this.#throughStream;
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
  /** The network is available again. A connection from before is unlikely to have survived; a new one is cheap. */
  #onOnline() {
    if (this.#state === "live") this.#reopen();
    else this.#hurry();
  }
  /** The page is visible again. Phones keep dead streams "open", and the timer that detects them did not run. */
  #onVisibilityChange() {
    if (document.hidden) return;
    if (this.#connection?.silent) this.#reopen();
    else this.#hurry();
  }
  /** Skip the rest of the back-off, but not the wait that the server asked for. */
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
};
function notificationPath(id, action = "") {
  return `/notifications/${encodeURIComponent(id)}${action}`;
}

// src/client/hmac.ts
async function userHmac(apiSecret, userId) {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(apiSecret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(userId));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}

// src/client/reducer.ts
var EMPTY_INBOX = Object.freeze({
  position: null,
  notifications: [],
  total: 0,
  hasMore: false,
  unreadCount: 0,
  unseenCount: 0,
  unarchived: { unreadCount: 0, unseenCount: 0 }
});
function applyEvent(inbox, event) {
  const follows = stepsBetween(inbox.position, event.position) > 0;
  if (!follows) return inbox;
  const notifications = notificationsAfter(inbox.notifications, event);
  const total = inbox.total + (ADDED_ITEMS[event.name] ?? 0);
  return {
    position: event.position,
    notifications,
    total,
    hasMore: total > notifications.length,
    ...countsFrom(event)
  };
}
var ADDED_ITEMS = { "notifications/new": 1, "notifications/delete": -1 };
function notificationsAfter(notifications, { name, data }) {
  switch (name) {
    case "notifications/new":
      return [data.notification, ...notifications];
    case "notifications/read":
    case "notifications/unread":
    case "notifications/seen":
    case "notifications/archive":
    case "notifications/unarchive":
      return notifications.map((item) => item.id === data.id ? data.notification : item);
    case "notifications/delete":
      return notifications.filter((item) => item.id !== data.id);
    case "notifications/read/all":
      return notifications.map((item) => matches(item, data.filters) ? asRead(item, data.at) : item);
    case "notifications/seen/all":
      return notifications.map((item) => matches(item, data.filters) ? asSeen(item, data.at) : item);
    case "notifications/archive/all":
      return notifications.map((item) => matches(item, data.filters) ? asArchived(item, data.at) : item);
    default:
      return notifications;
  }
}
function matches(item, { read, seen, archived, categories, topics } = {}) {
  const isSet = (wanted, timestamp) => wanted === void 0 || wanted === (timestamp !== null);
  const isOneOf = (wanted, value) => !wanted?.length || wanted.includes(value);
  return isSet(read, item.read_at) && isSet(seen, item.seen_at) && isSet(archived, item.archived_at) && isOneOf(categories, item.category || "uncategorized") && // the filter's name for items without a category
  isOneOf(topics, item.topic);
}
function asSeen(item, at) {
  return item.seen_at === null ? { ...item, seen_at: at } : item;
}
function asArchived(item, at) {
  return item.archived_at === null ? { ...item, archived_at: at } : item;
}
function asRead(item, at) {
  return item.read_at === null ? { ...asSeen(item, at), read_at: at } : asSeen(item, at);
}
function countsFrom({ unread_count, unseen_count, unarchived }) {
  return {
    unreadCount: unread_count,
    unseenCount: unseen_count,
    unarchived: { unreadCount: unarchived.unread_count, unseenCount: unarchived.unseen_count }
  };
}

// src/client/inbox.ts
var Inbox = class extends EventTarget {
  #client;
  #perPage;
  #keep;
  #state = EMPTY_INBOX;
  #held = null;
  // events received during the current fetch; its identity distinguishes that fetch from later ones
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
    if (this.#client.state === "live") this.#onReset();
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
    if (!this.stale) return;
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
    const held = this.#held = [];
    const { position } = this.#client;
    try {
      const page = await this.#client.list({ perPage: this.#perPage });
      const unarchived = await this.#client.list({ perPage: 1, archived: false });
      if (this.#held !== held) return;
      this.#held = null;
      page.position ??= position;
      this.#show(held.reduce(applyEvent, inboxFrom(page, unarchived)), null);
    } catch (error) {
      if (this.#held !== held) return;
      this.#held = null;
      emit(this, "error", error);
      if (error.permanent) return;
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
    this.#state = surplus ? { ...state, notifications: state.notifications.slice(0, this.#keep), hasMore: true } : state;
    emit(this, "change", cause);
  }
};
function inboxFrom({ notifications, total, position, ...counts }, unarchived) {
  return {
    position,
    notifications,
    total,
    hasMore: total > notifications.length,
    ...countsFrom({ ...counts, unarchived })
  };
}
export {
  EventStreamParser,
  Inbox,
  InboxClient,
  InboxError,
  applyEvent,
  userHmac
};
