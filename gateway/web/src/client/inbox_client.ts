import { Api } from "./api.ts";
import { isPermanent, retryDelayMs } from "./backoff.ts";
import { Connection } from "./connection.ts";
import { emit } from "./events.ts";
import { stepsBetween } from "./positions.ts";
import { withoutUnset } from "./records.ts";
import { TRANSPORTS } from "./transports.ts";

/** The address of the gateway that served this module, with the path that a proxy adds; undefined in a bundle. */
const SERVED_FROM = /^https?:[^?#]*\/client\.js([?#]|$)/.test(import.meta.url) ? new URL(".", import.meta.url).href : undefined;

const STABLE_MS = 10_000; // after a connection that lasted this long, the back-off starts from the beginning

/**
 * One user's access to the gateway: REST calls, and a live stream without gaps or duplicates.
 *
 * Dispatches what the server sent, as `detail`: "ready", "event", "reset" (the state that you have is out
 * of date: fetch it again), "goodbye", "renewed" and "error"; and "state" with
 * `{state, reason?, code?, status?, retryInMs?}`, where state is one of
 *
 *     connecting   a connection is being opened
 *     live         events are received
 *     waiting      the connection was lost; the next attempt starts in `retryInMs`
 *     closed       `close` was called, or the server refuses this client permanently (see `reason`)
 *
 * Call `close` when done; until then the client keeps reconnecting.
 */
export class InboxClient extends EventTarget {
  #api;
  #transport;
  #throughStream = false; // whether the next connection is an event stream, whatever `transport` is
  #credentials; // with the names of the first WebSocket message
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
    userHmac,
    token,
    transport = "websocket",
    since = null,
  } = {}) {
    super();
    if (!(transport in TRANSPORTS)) throw new TypeError(`transport must be one of ${Object.keys(TRANSPORTS)}`);
    this.#transport = transport;
    this.#position = since;
    this.#credentials = withoutUnset({
      api_key: apiKey,
      user_external_id: userExternalId,
      user_email: userExternalId === undefined ? userEmail : undefined, // the external id takes precedence anyway
      user_hmac: userHmac,
      token,
    });
    // Events caused by this client carry this id. Not randomUUID, which exists on secure origins only.
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
    return { ...(await response.json()), position: response.headers.get("X-Inbox-Position") };
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
  drop({ retryAfterMs = 0, reason = "dropped by this page" } = {}) {
    this.#attempts = 0; // not a failure of the server, so no back-off
    this.#connection?.end({ reason, retryAfterMs });
  }

  /** Use another token from now on. Call it before the current one expires. */
  renew(token) {
    this.#credentials = { ...this.#credentials, token };
    this.#api.use(this.#credentials);
    if (this.#state !== "live") return;
    const sent = this.#connection.send({ type: "auth", token });
    if (!sent) this.#reopen(); // the headers of an open event stream cannot change
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
        // Without waiting for the close that follows: if the network loses it, this code still applies.
        return this.#connection?.end({ ...message, retryAfterMs: message.retry_after_ms });
      case "renewed":
      case "error":
        return emit(this, message.type, message);
      default: // "pong" needs no action beyond its arrival; unknown types come from newer servers
    }
  }

  #onReady(ready) {
    // If the server cannot resume, `ready` has another position than this client, and `reset` follows. The
    // position changes only with the reset: if the connection were lost between the two, the next one would
    // resume after events that were never received, and nothing would reveal the gap.
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
      // The server guarantees that this cannot happen. After resuming it sends what is missing, or `reset`.
      this.#connection.end({ reason: `${event.position} does not follow ${this.#position}` });
      return;
    }
    this.#position = event.position;
    emit(this, "event", event);
  }

  #onEnd(why) {
    this.#connection = null;
    // A WebSocket delivers a message when it is complete, so a large event on a slow line looks like minutes
    // of silence. An event stream delivers each part. After a silence one connection is therefore an event
    // stream, through which such an event arrives.
    this.#throughStream = why.silent === true && !this.#throughStream;
    // Attempts are counted until a connection has lasted, not until one was made: a server that accepts
    // all clients and crashes under them must not get all of them back at once.
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
}

function notificationPath(id, action = "") {
  return `/notifications/${encodeURIComponent(id)}${action}`;
}
