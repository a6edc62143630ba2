import { Api } from "./api.ts";
import { isPermanent, retryDelayMs } from "./backoff.ts";
import { Connection } from "./connection.ts";
import { Credentials } from "./credentials.ts";
import { explained, type InboxError } from "./errors.ts";
import { emit } from "./events.ts";
import { gatewayUrl } from "./gateway_url.ts";
import type { InboxEvent, MessageCounts, Ready, ServerMessage } from "./messages.ts";
import { isOffline, watchPage } from "./page_events.ts";
import { stepsBetween } from "./positions.ts";
import { Retry } from "./retry.ts";
import { Tabs } from "./tabs.ts";
import { TransportChoice } from "./transport_choice.ts";
import { TRANSPORTS, type End, type OpenTransport, type Receiver } from "./transports.ts";
import type { ClientOptions, ConnectionState } from "./types.ts";

const TOKEN_EXPIRED = 4504;

const TOKEN_REVOKED = 4508;

/** The close codes, beside a 401, after which another token may be accepted. */
const TOKEN_REFUSED = [4501, TOKEN_EXPIRED, TOKEN_REVOKED, 4509];

/**
 * The live stream of one user without gaps or duplicates, made of many connections.
 *
 * Dispatches "state" and "new" as `Client` describes them, and what the server sent, as `detail`: "ready",
 * "event", "reset" (the lists that you have are out of date: fetch them again), "goodbye", "renewed" and "refusal".
 * "error" has `{error}` after `getToken` failed.
 */
export class LiveClient extends EventTarget {
  /** The address of the gateway, without a slash at the end. */
  readonly url: string;
  /** Events caused by this client carry this id. Not randomUUID, which exists on secure origins only. */
  readonly clientId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
  /** For requests to the REST API. */
  protected readonly api: Api;
  #credentials: Credentials;
  #tabs: Tabs;
  #choice: TransportChoice;
  #position: string | null;
  #state: ConnectionState = { status: "ended", reason: "connect() was not called yet", closedByPage: true };
  /** The latest counts received. */
  protected latest: MessageCounts | undefined;
  #connection: Connection | null = null;
  /** What the gateway said last about why it refuses this client. */
  #refusal: string | undefined;
  #ready = false; // whether the connection is
  #tokenUsed: string | undefined; // by the connection
  #retry = new Retry(() => this.#open());
  #listening: AbortController | undefined;

  constructor(options: ClientOptions = {}) {
    super();
    this.url = gatewayUrl(options.url);
    this.#position = options.since ?? null;
    this.#credentials = new Credentials(options, () => this.api.use(this.#credentials.fields));
    this.#choice = new TransportChoice(this.url, options.transports);
    this.api = new Api(this.url, this.clientId, this.#credentials.fields);
    this.#tabs = new Tabs({
      id: this.clientId,
      share: options.shareConnection !== false,
      position: () => this.#position,
      now: () => this.#now(),
      onChange: () => this.#reopen(),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The position of the last event processed. Pass it as `since` to continue from here later. */
  get position(): string | null {
    return this.#position;
  }

  /** Open the live stream, after `position` if there is one. */
  connect(): void {
    if (this.#state.status !== "ended") return;
    this.#retry.reset();
    this.#listening = new AbortController();
    const listeners = {
      online: () => this.#onOnline(),
      offline: () => this.#onOffline(),
      resumed: () => this.#probe(),
      paused: () => this.#pause(),
    };
    watchPage(listeners, this.#listening.signal);
    this.#setState({ status: isOffline() ? "offline" : "connecting" });
    this.#open();
  }

  /** Close the live stream, its timers and its listeners. `connect` resumes it. */
  close(): void {
    this.#stop({ reason: "closed by this page" }, true);
  }

  /** Drop the connection, as a bad network would, and reconnect after `retryAfterMs` at the earliest. */
  drop({ retryAfterMs = 0, reason = "dropped by this page" } = {}): void {
    if (!this.#connection) return;
    this.#retry.reset(); // not a failure of the server, so no back-off
    this.#connection.end({ reason, retryAfterMs });
  }

  /** Use another token from now on. Call it before the current one expires. */
  renew(token: string): void {
    this.#credentials.use(token);
    this.#useToken();
  }

  /** Send a request to the gateway with the user's credentials. Throws InboxError for a refusal. */
  async request(...request: Parameters<Api["request"]>): Promise<Response> {
    await this.#credentials.ready();
    const { token } = this.#credentials;
    try {
      return await this.api.request(...request);
    } catch (error) {
      const { status, permanent } = error as InboxError;
      if (status !== 401 || !permanent) throw error;
      if (await this.#credentials.replace(token)) return this.api.request(...request);
      // The leading tab still follows the stream. Its credentials are good, and these are not.
      if (!this.#tabs.leading) this.#stop({ reason: explained(error as Error), httpStatus: 401 });
      throw error;
    }
  }

  #open(): void {
    this.#retry.stop();
    if (this.#state.status === "live") this.#setState({ status: "reconnecting", retryInMs: 0 });
    this.#ready = false;
    this.#connection = new Connection((receiver) => this.#openTransport(receiver), {
      onMessage: (message) => this.#onMessage(message),
      onEnd: (why) => this.#onEnd(why),
    });
  }

  /** Open a connection to the gateway, or to the leading tab, when there is a token. */
  #openTransport(receiver: Receiver): OpenTransport {
    let transport: OpenTransport | undefined;
    let closed = false;
    const open = () => {
      if (closed) return;
      const { api } = this;
      this.#tokenUsed = this.#credentials.token;
      receiver.received(); // waiting for a token is no silence
      const target = {
        url: api.url.bind(api),
        headers: () => api.headers,
        credentials: this.#credentials.fields,
        since: () => this.#position,
      };
      transport = this.#tabs.leading ? TRANSPORTS[this.#choice.next](target, receiver) : this.#tabs.follow(receiver);
    };
    this.#credentials
      .ready()
      .then(() => this.#tabs.join(`${__VERSION__} ${this.url} ${this.#credentials.identity}`, () => closed))
      .then(open, (error) => {
        this.#report(error);
        receiver.end({ reason: error.message, untried: true });
      })
      .catch(({ message }) => receiver.end({ reason: message }));
    return {
      send: (message) => transport?.send(message) ?? true,
      close() {
        closed = true;
        transport?.close();
      },
    };
  }

  #onMessage(message: ServerMessage): void {
    // Whatever the browser says about the network, it is there.
    if (this.#ready && this.#state.status === "offline" && message.type !== "state") this.#setLive(true);
    switch (message.type) {
      case "ready":
        return this.#onReady(message);
      case "event":
        return this.#onEvent(message);
      case "reset":
        this.#position = message.position;
        if (message.unarchived) this.#setCounts(message); // an older gateway sends none
        this.#tabs.note(message);
        return emit(this, "reset", message);
      case "state":
        this.#connection?.keepAlive(0);
        return this.#setState(message.state);
      case "goodbye":
        emit(this, "goodbye", message);
        // Without waiting for the close that follows: if the network loses it, this code still applies.
        return this.#connection?.end({
          ...message,
          reason: (message.retry_after_ms === null && this.#refusal) || message.reason,
          retryAfterMs: message.retry_after_ms,
        });
      case "renewed":
        return emit(this, "renewed", message);
      case "error":
        this.#refusal = message.message;
        return emit(this, "refusal", message);
      default: // "pong" needs no action beyond its arrival; unknown types come from newer servers
    }
  }

  #onReady(ready: Ready): void {
    // If the server cannot resume, `ready` has another position than this client, and `reset` follows. The
    // position changes only with the reset: if the connection were lost between the two, the next one would
    // resume after events that were never received, and nothing would reveal the gap.
    const resumed = stepsBetween(ready.position, this.#position ?? "") >= 0;
    const first = !this.#ready;
    this.#position ??= ready.position;
    // The counts of `ready` are newer than its position, or older if the leading tab lags behind.
    if (!resumed || !this.latest) this.#setCounts(ready);
    this.#ready = true;
    if (first) {
      this.#retry.connected();
      this.#connection?.keepAlive(ready.heartbeat_seconds);
      if (this.#tabs.leading) this.#choice.worked();
      this.#onAccepted();
    }
    if (first || this.#state.status !== "live") this.#setLive(resumed);
    if (first || !resumed) emit(this, "ready", ready);
    if (first && this.#tokenUsed !== this.#credentials.token) this.#useToken(); // `renew` was called meanwhile
  }

  #onEvent(event: InboxEvent): void {
    const steps = stepsBetween(this.#position ?? "", event.position);
    if (steps <= 0) return; // a duplicate
    if (steps !== 1) {
      // The gateway guarantees that this cannot happen. After resuming it sends what is missing, or `reset`.
      if (this.#tabs.leading) this.#connection?.end({ reason: `${event.position} does not follow ${this.#position}` });
      else this.#connection?.send({}); // to the leading tab, which does the same
      return;
    }
    this.#position = event.position;
    this.#setCounts(event);
    this.#tabs.note(event);
    emit(this, "event", event);
    if (event.name === "notifications/new") emit(this, "new", event.data.notification);
  }

  #onEnd(why: End): void {
    this.#connection = null;
    this.#refusal = undefined;
    const failover = this.#tabs.leading && this.#choice.failed(why, this.#ready);
    this.#retry.ended();
    if (failover) return this.#open();
    const { reason, code, httpStatus } = why;
    const refused = httpStatus === 401 || TOKEN_REFUSED.includes(code ?? 0);
    const canRetry = () => this.#tokenUsed !== this.#credentials.token || this.#credentials.canReplace();
    if ((why.permanent || isPermanent(code)) && !(refused && canRetry())) return this.#stop(why);
    // Issue times are in whole seconds: a token of the second of a revocation would count as revoked.
    const retryInMs = this.#retry.later(why.retryAfterMs ?? (code === TOKEN_REVOKED ? 1000 : 0));
    this.#setState({ status: isOffline() ? "offline" : "reconnecting", reason, code, httpStatus, retryInMs });
  }

  #stop({ reason, code, httpStatus }: End, closedByPage = false): void {
    if (this.#state.status === "ended") return;
    this.#listening?.abort();
    this.#pause();
    if (!closedByPage) console.info(`Inbox: ${reason}`);
    this.#setState({ status: "ended", reason, code, httpStatus, closedByPage });
  }

  /** Keep nothing open that would keep this page out of the browser's cache, or other tabs without a leader. */
  #pause(): void {
    this.#retry.stop();
    this.#credentials.stop();
    this.#connection?.abandon();
    this.#connection = null;
    this.#tabs.leave();
  }

  /** The network is available again. A connection from before is unlikely to have survived; a new one is cheap. */
  #onOnline(): void {
    this.#choice.reset();
    if (this.#connection) this.#reopen();
    else this.#hurry();
  }

  #onOffline(): void {
    this.#setState({ ...this.#state, status: "offline", reason: "the browser is offline" });
    if (this.#connection?.send({ type: "ping" }) === false) this.#reopen();
  }

  /** The page is shown again. Phones keep dead streams "open", and the timer that detects them did not run. */
  #probe(): void {
    if (this.#connection?.silent) this.#reopen();
    else if (!this.#tabs.leading) this.#connection?.send({}); // asks the leading tab
    this.#hurry();
  }

  #hurry(): void {
    if (!this.#connection) this.#retry.hurry();
  }

  #reopen(): void {
    if (this.#state.status === "ended") return;
    this.#connection?.abandon();
    this.#open();
  }

  /** Return what a tab that follows this one begins with. It may be overdue: timers of a hidden page are late. */
  #now(): ServerMessage {
    if (this.#retry.due) this.#hurry();
    if (this.#state.status !== "live" || !this.latest) return { type: "state", state: this.#state };
    return { type: "ready", position: this.#position ?? "", heartbeat_seconds: 0, ...this.latest };
  }

  async #renewInTime(attempt = 0): Promise<void> {
    try {
      await this.#credentials.refresh();
      this.#useToken();
    } catch (error) {
      this.#report(error);
      this.#credentials.later(() => this.#renewInTime(attempt + 1), 1000 + retryDelayMs(attempt));
    }
  }

  #useToken(): void {
    if (!this.#ready || !this.#connection) return;
    this.#onAccepted();
    const sent = this.#connection.send({ type: "auth", token: this.#credentials.token });
    if (!sent) this.#reopen(); // the headers of an open event stream cannot change
  }

  #onAccepted(): void {
    const end = () => {
      // The gateway ends the connection of a leading tab, and it knows of no other.
      if (!this.#tabs.leading) this.#connection?.end({ reason: "token ended", code: TOKEN_EXPIRED });
    };
    this.#credentials.accepted(() => this.#renewInTime(), end);
  }

  #report(error: unknown): void {
    console.info(`Inbox: getToken failed: ${(error as Error)?.message ?? error}`);
    emit(this, "error", { error });
  }

  #setLive(resumed: boolean): void {
    const transport = this.#tabs.leading ? this.#choice.next : "tab";
    this.#setState({ status: "live", resumed, transport });
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    if (state.status !== "ended") this.#tabs.note({ type: "state", state });
    emit(this, "state", state);
  }

  #setCounts({ unread_count, unseen_count, unarchived }: MessageCounts): void {
    this.latest = { unread_count, unseen_count, unarchived };
  }
}
