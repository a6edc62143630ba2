import { Api } from "./api.ts";
import { isPermanent, retryDelayMs } from "./backoff.ts";
import { Connection } from "./connection.ts";
import { emit } from "./events.ts";
import type { InboxEvent, MessageCounts, Ready, ServerMessage } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import { withoutUnset } from "./records.ts";
import { TRANSPORTS, type End } from "./transports.ts";
import type { ClientOptions, ConnectionState, Counts } from "./types.ts";

/** The address of the gateway that served this module, with the path that a proxy adds; undefined in a bundle. */
const SERVED_FROM = /^https?:[^?#]*\/(client|inbox-bell)(@[^/?#]*)?\.js([?#]|$)/.test(import.meta.url)
  ? new URL(".", import.meta.url).href
  : undefined;

const STABLE_MS = 10_000; // after a connection that lasted this long, the back-off starts from the beginning

/**
 * The live stream of one user without gaps or duplicates, made of many connections.
 *
 * Dispatches "state", "counts" and "new" as `Client` describes them, and what the server sent, as `detail`: "ready",
 * "event", "reset" (the lists that you have are out of date: fetch them again), "goodbye", "renewed" and "refusal".
 */
export class LiveClient extends EventTarget {
  /** The address of the gateway, without a slash at the end. */
  readonly url: string;
  /** Events caused by this client carry this id. */
  readonly clientId: string;
  /** For requests to the REST API. */
  protected readonly api: Api;
  #transport: keyof typeof TRANSPORTS;
  #throughStream = false; // whether the next connection is an event stream, whatever `transport` is
  #credentials: { token?: string }; // with the names of the first WebSocket message
  #position: string | null;
  #state: ConnectionState = { status: "ended", reason: "connect() was not called yet", closedByPage: true };
  #counts: Counts = { unreadCount: 0, unseenCount: 0 };
  #connection: Connection | null = null;
  #attempts = 0;
  #liveSince = Infinity;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #retryNotBefore = 0;
  #listening: AbortController | undefined;

  constructor({
    url = SERVED_FROM ?? globalThis.location?.origin,
    apiKey,
    userExternalId,
    userEmail,
    userHmac,
    token,
    transports = ["websocket"],
    since = null,
  }: ClientOptions = {}) {
    super();
    const [transport = ""] = transports;
    if (!(transport in TRANSPORTS)) throw new TypeError(`transports may be ${Object.keys(TRANSPORTS)}`);
    this.#transport = transport as keyof typeof TRANSPORTS;
    this.#position = since;
    this.#credentials = withoutUnset({
      api_key: apiKey,
      user_external_id: userExternalId,
      user_email: userExternalId === undefined ? userEmail : undefined, // the external id takes precedence anyway
      user_hmac: userHmac,
      token,
    });
    // Not randomUUID, which exists on secure origins only.
    this.clientId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    this.url = new URL(url).href.replace(/\/$/, "");
    this.api = new Api(this.url, this.clientId, this.#credentials);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** How many of the notifications that are not archived are unread and unseen. */
  get counts(): Counts {
    return this.#counts;
  }

  /** The position of the last event processed. Pass it as `since` to continue from here later. */
  get position(): string | null {
    return this.#position;
  }

  /** Open the live stream, after `position` if there is one. */
  connect(): void {
    if (this.#state.status !== "ended") return;
    this.#attempts = 0;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    globalThis.addEventListener?.("online", () => this.#onOnline(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => this.#onVisibilityChange(), { signal });
    this.#setState({ status: "connecting" });
    this.#open();
  }

  /** Close the live stream, its timers and its listeners. `connect` resumes it. */
  close(): void {
    this.#stop({ reason: "closed by this page" }, true);
  }

  /** Drop the connection, as a bad network would, and reconnect after `retryAfterMs` at the earliest. */
  drop({ retryAfterMs = 0, reason = "dropped by this page" } = {}): void {
    this.#attempts = 0; // not a failure of the server, so no back-off
    this.#connection?.end({ reason, retryAfterMs });
  }

  /** Use another token from now on. Call it before the current one expires. */
  renew(token: string): void {
    this.#credentials = { ...this.#credentials, token };
    this.api.use(this.#credentials);
    if (this.#state.status !== "live") return;
    const sent = this.#connection?.send({ type: "auth", token });
    if (!sent) this.#reopen(); // the headers of an open event stream cannot change
  }

  #open(): void {
    clearTimeout(this.#retryTimer);
    const target = {
      url: (path: string, query?: object) => this.api.url(path, query),
      headers: this.api.headers,
      credentials: this.#credentials,
      since: this.#position,
    };
    const open = TRANSPORTS[this.#throughStream ? "sse" : this.#transport];
    this.#connection = new Connection((receiver) => open(target, receiver), {
      onMessage: (message) => this.#onMessage(message),
      onEnd: (why) => this.#onEnd(why),
    });
  }

  #onMessage(message: ServerMessage): void {
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
        return emit(this, "renewed", message);
      case "error":
        return emit(this, "refusal", message);
      default: // "pong" needs no action beyond its arrival; unknown types come from newer servers
    }
  }

  #onReady(ready: Ready): void {
    // If the server cannot resume, `ready` has another position than this client, and `reset` follows. The
    // position changes only with the reset: if the connection were lost between the two, the next one would
    // resume after events that were never received, and nothing would reveal the gap.
    const resumed = this.#position === ready.position;
    this.#position ??= ready.position;
    this.#liveSince = Date.now();
    this.#connection?.keepAlive(ready.heartbeat_seconds);
    this.#setCounts(ready);
    this.#setState({ status: "live", resumed });
    emit(this, "ready", ready);
  }

  #onEvent(event: InboxEvent): void {
    const steps = stepsBetween(this.#position ?? "", event.position);
    if (steps <= 0) return; // a duplicate
    if (steps !== 1) {
      // The server guarantees that this cannot happen. After resuming it sends what is missing, or `reset`.
      this.#connection?.end({ reason: `${event.position} does not follow ${this.#position}` });
      return;
    }
    this.#position = event.position;
    this.#setCounts(event);
    emit(this, "event", event);
    if (event.name === "notifications/new") emit(this, "new", event.data.notification);
  }

  #onEnd(why: End): void {
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
    const askedForMs = why.retryAfterMs ?? 0;
    const retryInMs = retryDelayMs(this.#attempts++, askedForMs);
    this.#retryNotBefore = Date.now() + askedForMs;
    this.#retryTimer = setTimeout(() => this.#open(), retryInMs);
    const { reason, code, httpStatus } = why;
    this.#setState({ status: "reconnecting", reason, code, httpStatus, retryInMs: Math.round(retryInMs) });
  }

  #stop({ reason, code, httpStatus }: End, closedByPage = false): void {
    if (this.#state.status === "ended") return;
    clearTimeout(this.#retryTimer);
    this.#listening?.abort();
    this.#connection?.abandon();
    this.#connection = null;
    this.#setState({ status: "ended", reason, code, httpStatus, closedByPage });
  }

  /** The network is available again. A connection from before is unlikely to have survived; a new one is cheap. */
  #onOnline(): void {
    if (this.#state.status === "live") this.#reopen();
    else this.#hurry();
  }

  /** The page is visible again. Phones keep dead streams "open", and the timer that detects them did not run. */
  #onVisibilityChange(): void {
    if (document.hidden) return;
    if (this.#connection?.silent) this.#reopen();
    else this.#hurry();
  }

  /** Skip the rest of the back-off, but not the wait that the server asked for. */
  #hurry(): void {
    if (this.#state.status === "reconnecting" && !this.#connection && Date.now() >= this.#retryNotBefore) this.#open();
  }

  #reopen(): void {
    this.#connection?.abandon();
    this.#setState({ status: "reconnecting", retryInMs: 0 });
    this.#open();
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    emit(this, "state", state);
  }

  #setCounts({ unarchived }: MessageCounts): void {
    const { unread_count: unreadCount, unseen_count: unseenCount } = unarchived;
    if (unreadCount === this.#counts.unreadCount && unseenCount === this.#counts.unseenCount) return;
    this.#counts = { unreadCount, unseenCount };
    emit(this, "counts", this.#counts);
  }
}
