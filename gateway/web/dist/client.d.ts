/**
 * The browser client of the inbox gateway, an ES module without dependencies.
 *
 *     import { InboxClient } from "/client.js";
 *
 *     const client = new InboxClient({ apiKey, userExternalId: "ada", userHmac });
 *     const inbox = client.inbox({ filter: { archived: false } });
 *     inbox.addEventListener("change", () => render(inbox.state));
 *     inbox.start();
 *
 * The live protocol
 * -----------------
 * Each change to a user's inbox is an event with a position, "epoch.offset". Offsets count 1, 2, 3, …
 * without gaps; the epoch identifies the log to which they belong. On each connection the server first
 * sends `ready` with the position after which the stream begins, and then one `event` after another.
 *
 * After a lost connection the client reconnects with the last position that it processed (`since`), and
 * the server sends exactly the events after it. If the server cannot do so any more, it sends `reset`:
 * the client fetches the inbox once and continues from there. A lost connection therefore costs nothing
 * but time, and wherever this client cannot trust a connection, it drops it and resumes.
 *
 * WebSocket and server-sent events carry the same JSON objects. They differ in how credentials are sent
 * (in the first message or in headers; never in the URL, which is written to logs) and in their
 * heartbeats (ping and pong, or a comment line). An event may have megabytes, because a notification may.
 *
 * Layers, top down
 * ----------------
 * inbox.ts         Inbox: the notifications and counts of a filter, to show
 * reducer.ts       applyEvent: a list and its counts after an event
 * inbox_client.ts  InboxClient: inboxes, actions, and requests to the REST API
 * actions.ts       Actions: shown at once, queued, and taken back if they are refused
 * live_client.ts   LiveClient: one gapless stream made of many connections
 * credentials.ts   Credentials: who the user is, and new tokens in time
 * tabs.ts          Tabs: one connection for all tabs of a browser
 * connection.ts    Connection: one connection and its heartbeats
 * transports.ts    WebSocket, server-sent events over fetch, long polling
 */
/**
 * One user's access to the gateway: inboxes, actions (`Actions`), and the live stream (`LiveClient`).
 *
 * Call `close` when done; until then the client keeps reconnecting.
 */
declare class InboxClient extends Actions implements Client {
    #private;
    /** Return a filtered list of notifications, which `start` keeps up to date. */
    inbox(options?: InboxOptions): Inbox;
    get(id: string): Promise<Notification>;
    preferences(): Promise<readonly CategoryPreference[]>;
    setPreference(category: string, channel: string, enabled: boolean): Promise<void>;
    topics(): Promise<readonly unknown[]>;
    subscribe(topic: string, categories?: readonly string[]): Promise<void>;
    unsubscribe(topic: string, categories?: readonly string[]): Promise<void>;
    addToken(channel: string, token: object): Promise<{
        readonly id: string;
    }>;
    removeToken(channel: string, id: string): Promise<void>;
}
/** An action on one notification, or on all that match a filter, until the confirmed state of the inboxes has it. */
interface Action {
    readonly name: string;
    /** The id of the notification, or a filter. */
    readonly target: string | Filter;
    readonly at: number;
    stage: number;
    /** Of an accepted action: the position that includes it. */
    position?: string | null;
    promise: Promise<void>;
    resolve: () => void;
    reject: (error: unknown) => void;
}
/**
 * Actions that show at once in all inboxes of the client, and are sent in order, one at a time.
 *
 * An action is shown on top of the confirmed state until the events up to its position have arrived. It is taken back
 * by showing it no longer. An action that failed without a response is sent again, because each can be repeated. The
 * inboxes that follow the stream are driven from here: all of them apply an event before one of them shows it.
 */
declare class Actions extends LiveClient {
    #private;
    /** The inboxes that follow the stream. */
    readonly inboxes: Set<Inbox>;
    /** The actions that the confirmed state does not have yet, in order. */
    pending: readonly Action[];
    constructor(options?: ClientOptions);
    /** How many of the notifications that are not archived are unread and unseen, with the pending actions. */
    get counts(): Counts;
    /** How many actions the gateway has not accepted yet. */
    get queued(): number;
    /** Return a confirmed snapshot with the pending actions on top. */
    shown(snapshot: Snapshot, filter: Filter): Snapshot;
    /** Mark as read, which also marks as seen. */
    read(id: string): Promise<void>;
    unread(id: string): Promise<void>;
    seen(id: string): Promise<void>;
    archive(id: string): Promise<void>;
    unarchive(id: string): Promise<void>;
    delete(id: string): Promise<void>;
    /** Mark all that match the filter as read. */
    readAll(filter?: Filter): Promise<void>;
    seenAll(filter?: Filter): Promise<void>;
    archiveAll(filter?: Filter): Promise<void>;
    /** Show an action in all inboxes. `commit` sends it, `undo` takes it back unless it was sent. */
    prepare(name: "delete" | "archive", target: string | Filter): {
        commit(): Promise<void>;
        undo(): void;
    };
}
/**
 * A filtered list of notifications that keeps itself up to date: responses of the REST API, plus every event since.
 *
 * Why this is exact: a response has the position of the log at which it was read. The first page replaces the
 * snapshot. An older page is appended to the snapshot of the same position, which was kept while the request ran. The
 * events after that position are then applied to the result. What an event can't decide is fetched again (`unknown`).
 * The first page is fetched only after `ready` or `reset`, so that no response is older than the stream.
 */
declare class Inbox extends EventTarget implements InboxStore {
    #private;
    readonly filter: Filter;
    state: InboxState;
    constructor(client: Actions, { filter, perPage, keep }?: InboxOptions);
    start(): void;
    stop(): void;
    loadMore(): Promise<void>;
    retry(): void;
    /** Return a notification of the confirmed state. */
    find(id: string): Notification | undefined;
    onReady(ready: Ready): void;
    onReset(): void;
    /** Apply an event. The client calls `show` when all inboxes have applied it. */
    onEvent(event: InboxEvent): void;
    /** Show the confirmed snapshot with the pending actions on top. */
    show(cause?: InboxEvent | null): void;
}
/** The messages of the live protocol, as the server sends them. */
interface CountsBody {
    readonly unread_count: number;
    readonly unseen_count: number;
}
/** The counts of all notifications, and of those that are not archived. */
interface MessageCounts extends CountsBody {
    readonly unarchived: CountsBody;
}
interface Ready extends MessageCounts {
    readonly type: "ready";
    readonly position: string;
    readonly heartbeat_seconds: number;
}
/** One change of an inbox. The counts are those right after it. */
interface InboxEvent extends MessageCounts {
    readonly type: "event";
    readonly position: string;
    readonly name: string;
    readonly data: {
        readonly id?: string;
        readonly notification?: Notification;
        readonly at?: number;
        readonly filters?: Record<string, unknown>;
        readonly client_id?: string;
    };
}
interface Reset extends MessageCounts {
    readonly type: "reset";
    readonly position: string;
    readonly reason: string;
}
interface Goodbye {
    readonly type: "goodbye";
    readonly code: number;
    readonly reason: string;
    readonly retry_after_ms: number | null;
}
interface Renewed {
    readonly type: "renewed";
    readonly expires_at: number | null;
}
interface Refusal {
    readonly type: "error";
    readonly code: string;
    readonly message: string;
}
/** The state of the connection of the leading tab, which it passes on to the others. */
interface StateMessage {
    readonly type: "state";
    readonly state: ConnectionState;
}
type ServerMessage = Ready | InboxEvent | Reset | Goodbye | Renewed | Refusal | StateMessage | {
    readonly type: "pong";
};
/** The public types of the client. Notifications and preferences have the shape of the REST API, in snake case. */
/** A notification as `GET /notifications` shows it. Times are seconds since 1970. */
interface Notification {
    readonly id: string;
    readonly title: string;
    readonly content: string | null;
    readonly category: string | null;
    readonly topic: string | null;
    readonly action_url: string | null;
    readonly custom_attributes: Readonly<Record<string, unknown>> | null;
    readonly sent_at: number;
    readonly seen_at: number | null;
    readonly read_at: number | null;
    readonly archived_at: number | null;
}
/** Which notifications an inbox has. A field that is left out does not restrict it. */
interface Filter {
    readonly read?: boolean;
    readonly seen?: boolean;
    readonly archived?: boolean;
    readonly categories?: readonly string[];
    readonly topics?: readonly string[];
}
/** Where the client is reached, and who the user is: by `token`, by `getToken`, or by a name with its HMAC. */
interface ClientOptions {
    /** The address of the gateway, with a path if a proxy adds one. Default: where this script was loaded from. */
    url?: string;
    apiKey?: string;
    userExternalId?: string;
    userEmail?: string;
    userHmac?: string;
    token?: string;
    /** Returns a token. Called for the first one, before one ends, and when one is refused. */
    getToken?: () => string | Promise<string>;
    /** The transports to try, in this order. Default: all three. */
    transports?: readonly Transport[];
    /** Whether tabs of one browser share one connection. Default: true, where the browser has Web Locks. */
    shareConnection?: boolean;
    /** The position of an earlier stream to continue. */
    since?: string | null;
}
type Transport = "websocket" | "sse" | "poll";
/**
 * The state of the connection.
 *
 *     connecting     the first connection is being opened
 *     live           events are received
 *     reconnecting   the connection was lost; the next attempt starts in `retryInMs`
 *     offline        the browser says that there is no network
 *     ended          `close` was called, or the server refuses this user for good: see `reason`, `code` or `status`
 */
interface ConnectionState {
    readonly status: "connecting" | "live" | "reconnecting" | "offline" | "ended";
    readonly reason?: string;
    /** The close code of the WebSocket, or of the `goodbye` message. */
    readonly code?: number;
    /** The HTTP status of a refused stream or request. */
    readonly httpStatus?: number;
    readonly retryInMs?: number;
    /** Whether a live connection continued directly after the last event, so that nothing had to be fetched again. */
    readonly resumed?: boolean;
    /** By what events arrive: the connection of this tab, or that of the leading tab. */
    readonly transport?: Transport | "tab";
    /** Whether the user was signed out on purpose by this page, rather than refused. */
    readonly closedByPage?: boolean;
}
interface Counts {
    readonly unreadCount: number;
    readonly unseenCount: number;
}
/**
 * What an inbox shows. It is replaced and never mutated: compare with `===`.
 *
 * Actions that the server has not confirmed yet are already included, and taken back if it refuses them.
 */
interface InboxState extends Counts {
    /** Newest first, as far as loaded. */
    readonly notifications: readonly Notification[];
    /** How many match the filter in all. */
    readonly total: number;
    readonly hasMore: boolean;
    /** Which request runs: the first page, or an older one. */
    readonly loading: "first" | "more" | null;
    /** Why the last request failed; null after one that succeeded. */
    readonly error: Error | null;
    /** Whether the state may be out of date: before the first page, and after a reset until it is fetched again. */
    readonly stale: boolean;
}
interface InboxOptions {
    filter?: Filter;
    /** Notifications a request. Default 20, at most 100. */
    perPage?: number;
    /** The most notifications to keep in memory. Default 500; `loadMore` raises it. */
    keep?: number;
}
/** One filtered list, in step with all others of the same client. Dispatches "change" (detail: `{cause}`). */
interface InboxStore extends EventTarget {
    readonly filter: Filter;
    readonly state: InboxState;
    /** Fetch the first page and follow the stream. The client connects if it is not connected. */
    start(): void;
    /** Stop following. The state stays as it is. */
    stop(): void;
    /** Fetch older notifications. Returns at once if there are none or a request runs. Throws InboxError. */
    loadMore(): Promise<void>;
    /** Fetch again after `state.error`. */
    retry(): void;
}
/** How a category reaches the user. */
interface CategoryPreference {
    readonly slug: string;
    readonly name: string | null;
    readonly channels: readonly {
        readonly slug: string;
        readonly name: string | null;
        readonly enabled: boolean;
    }[];
}
/** A request that the gateway refused, or that failed on the way (`status` 0). */
interface InboxErrorShape extends Error {
    readonly status: number;
    readonly code: string | undefined;
    readonly errors: readonly {
        readonly code?: string;
        readonly message: string;
        readonly suggestion?: string;
    }[];
    readonly retryAfterMs: number | undefined;
    /** The id of the request in the gateway's log, from `X-Request-Id`, if there was a response. */
    readonly requestId: string | undefined;
}
/**
 * One user's access to the gateway. Dispatches "state" (detail: ConnectionState), "counts" (detail: Counts of what is
 * not archived), "new" (detail: Notification), "queue" (detail: `queued`) and
 * "error" (detail: `{error, action, ids}`: an action that was refused and taken back; without `action`, `getToken` failed).
 *
 * Actions show at once in all inboxes of the client. They are queued while there is no connection, and sent once.
 * Each returns a promise that fulfils when the gateway has accepted it, and rejects with InboxError when it was taken back.
 */
interface Client extends EventTarget {
    readonly url: string;
    readonly state: ConnectionState;
    readonly counts: Counts;
    /** How many actions the gateway has not accepted yet. Without a connection, they wait for it. */
    readonly queued: number;
    /** The position of the last event processed. */
    readonly position: string | null;
    connect(): void;
    close(): void;
    /** Use another token from now on. */
    renew(token: string): void;
    inbox(options?: InboxOptions): InboxStore;
    get(id: string): Promise<Notification>;
    read(id: string): Promise<void>;
    unread(id: string): Promise<void>;
    seen(id: string): Promise<void>;
    archive(id: string): Promise<void>;
    unarchive(id: string): Promise<void>;
    delete(id: string): Promise<void>;
    readAll(filter?: Filter): Promise<void>;
    seenAll(filter?: Filter): Promise<void>;
    archiveAll(filter?: Filter): Promise<void>;
    /**
     * Show an action on one notification, or on all that match a filter, in all inboxes without sending it. Returns
     * functions that send it or take it back: for an undo.
     */
    prepare(action: "delete" | "archive", target: string | Filter): {
        commit(): Promise<void>;
        undo(): void;
    };
    preferences(): Promise<readonly CategoryPreference[]>;
    setPreference(category: string, channel: string, enabled: boolean): Promise<void>;
    topics(): Promise<readonly unknown[]>;
    subscribe(topic: string, categories?: readonly string[]): Promise<void>;
    unsubscribe(topic: string, categories?: readonly string[]): Promise<void>;
    /** Register what reaches a device or browser: a token of `"web_push"`, `"mobile_push/fcm"`, … It may be repeated. */
    addToken(channel: string, token: object): Promise<{
        readonly id: string;
    }>;
    removeToken(channel: string, id: string): Promise<void>;
    /** Send any request to the gateway with the user's credentials. Throws InboxError for a refusal. */
    request(method: string, path: string, options?: {
        query?: object;
        body?: unknown;
        headers?: HeadersInit;
    }): Promise<Response>;
}
/**
 * The live stream of one user without gaps or duplicates, made of many connections.
 *
 * Dispatches "state" and "new" as `Client` describes them, and what the server sent, as `detail`: "ready",
 * "event", "reset" (the lists that you have are out of date: fetch them again), "goodbye", "renewed" and "refusal".
 * "error" has `{error}` after `getToken` failed.
 */
declare class LiveClient extends EventTarget {
    #private;
    /** The address of the gateway, without a slash at the end. */
    readonly url: string;
    /** Events caused by this client carry this id. Not randomUUID, which exists on secure origins only. */
    readonly clientId: string;
    /** For requests to the REST API. */
    protected readonly api: Api;
    /** The latest counts received. */
    protected latest: MessageCounts | undefined;
    constructor(options?: ClientOptions);
    get state(): ConnectionState;
    /** The position of the last event processed. Pass it as `since` to continue from here later. */
    get position(): string | null;
    /** Open the live stream, after `position` if there is one. */
    connect(): void;
    /** Close the live stream, its timers and its listeners. `connect` resumes it. */
    close(): void;
    /** Drop the connection, as a bad network would, and reconnect after `retryAfterMs` at the earliest. */
    drop({ retryAfterMs, reason }?: {
        reason?: string | undefined;
        retryAfterMs?: number | undefined;
    }): void;
    /** Use another token from now on. Call it before the current one expires. */
    renew(token: string): void;
    /** Send a request to the gateway with the user's credentials. Throws InboxError for a refusal. */
    request(...request: Parameters<Api["request"]>): Promise<Response>;
}
interface Credentials {
    api_key?: string;
    user_external_id?: string;
    user_email?: string;
    user_hmac?: string;
    token?: string;
}
interface RequestOptions {
    query?: object;
    body?: unknown;
    headers?: HeadersInit;
}
/** Requests to the REST API of the gateway at `url`, with the credentials of one user. */
declare class Api {
    #private;
    constructor(url: string, clientId: string, credentials: Credentials);
    /** The credentials as headers, which event streams send too. */
    get headers(): Headers;
    /** Use other credentials from now on. */
    use({ api_key, user_external_id, user_email, user_hmac, token }: Credentials): void;
    /** Return a successful response. Throws InboxError for any other status, and with status 0 if there is none. */
    request(method: string, path: string, { query, body, headers }?: RequestOptions): Promise<Response>;
    /** Return the URL of a path. A query value may be an array, whose items may contain commas; null and undefined are left out. */
    url(path: string, query?: object): string;
}
/** The beginning of a filtered list with its counts, as of a position. */
interface Snapshot extends Counts {
    /** That of the last event included; null while the snapshot is out of date. */
    readonly position: string | null;
    /** The newest of all `total` notifications that match the filter, newest first. */
    readonly notifications: readonly Notification[];
    readonly total: number;
    /** What must be fetched, because an event could not decide it: nothing, the counts, or also the list. */
    readonly unknown: 0 | 1 | 2;
}
declare const EMPTY: Snapshot;
/** Return a notification after an action at a time: the same object if it changes nothing, null if it deletes it. */
declare function changed(item: Notification, action: string, at: number | null): Notification | null;
/** Return a filter without unset fields. Throws TypeError for anything else, which would otherwise match everything. */
declare function checked(filter: Filter): Filter;
/** Return the counts for a filter in a message of the stream, if it has them: those of all, or by `archived` only. */
declare function countsIn(message: MessageCounts, filter: Filter): Counts | undefined;
/**
 * Return a snapshot after one notification has changed; `null` stands for one that does not exist.
 *
 * A notification that newly matches is inserted at its place. The server's order is that of arrival, in which `sent_at`
 * never decreases. Among notifications of the same second the order is unknown.
 */
declare function put(snapshot: Snapshot, filter: Filter, was: Notification | null, is: Notification | null, isNewest?: boolean): Snapshot;
/** Return a snapshot after an action on all notifications that match `target`. */
declare function applyToAll(snapshot: Snapshot, filter: Filter, action: string, at: number, target: Filter): Snapshot;
/**
 * Return a snapshot after an event. A pure function.
 *
 * The response of a fetch, with the later events applied to it, equals the response of a new fetch as far as it
 * reaches, unless `unknown` asks for one. Notifications that an event does not change remain the same object. An event
 * that is already included, or that belongs to another log, changes nothing.
 */
declare function applyEvent(snapshot: Snapshot, event: InboxEvent, filter?: Filter): Snapshot;
/** A request that the gateway refused, or that failed on the way (`status` 0). */
declare class InboxError extends Error implements InboxErrorShape {
    readonly status: number;
    readonly errors: InboxErrorShape["errors"];
    readonly code: string | undefined;
    readonly retryAfterMs: number | undefined;
    readonly requestId: string | undefined;
    constructor(status: number, errors: InboxErrorShape["errors"], headers?: Headers);
    static from(response: Response): Promise<InboxError>;
    /** Whether the gateway, and not a proxy on the way, would refuse the same credentials again. */
    get permanent(): boolean;
    /** Whether the same request may succeed later. */
    get temporary(): boolean;
    /** Whether only time helps: there was no response, or the gateway is busy. */
    get waits(): boolean;
}
/** Return a message for developers, with what the gateway suggests. */
declare function explained(error: Error): string;
interface StreamEvent {
    readonly event: string;
    readonly data: string;
    readonly id: string;
}
/**
 * An incremental parser of text/event-stream.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
declare class EventStreamParser {
    #private;
    /** How long to wait before reconnecting, if the server sent it. */
    retryMs: number | undefined;
    /** Parse the next piece of text, and return the events that it completes: `{event, data, id}`. */
    push(text: string): StreamEvent[];
}
/**
 * Return the user HMAC, base64(HMAC-SHA256(API secret, user id)), with which your backend proves a user's name.
 *
 * `userId` is the external id, or else the email in lower case. Compute it in your backend, where the API
 * secret is; this function is for demos and tests. It needs a secure origin (https or localhost).
 */
declare function userHmac(apiSecret: string, userId: string): Promise<string>;
export { CategoryPreference, Client, ClientOptions, ConnectionState, Counts, EventStreamParser, Filter, Inbox, InboxClient, InboxError, InboxErrorShape, InboxOptions, InboxState, InboxStore, Notification, Transport, applyEvent, userHmac };
