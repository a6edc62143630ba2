/** The public types of the client. Notifications and preferences have the shape of the REST API, in snake case. */

/** A notification as `GET /notifications` shows it. Times are seconds since 1970. */
export interface Notification {
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
export interface Filter {
  readonly read?: boolean;
  readonly seen?: boolean;
  readonly archived?: boolean;
  readonly categories?: readonly string[];
  readonly topics?: readonly string[];
}

/** Where the client is reached, and who the user is: by `token`, by `getToken`, or by a name with its HMAC. */
export interface ClientOptions {
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

export type Transport = "websocket" | "sse" | "poll";

/**
 * The state of the connection.
 *
 *     connecting     the first connection is being opened
 *     live           events are received
 *     reconnecting   the connection was lost; the next attempt starts in `retryInMs`
 *     offline        the browser says that there is no network
 *     ended          `close` was called, or the server refuses this user for good: see `reason`, `code` or `status`
 */
export interface ConnectionState {
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

export interface Counts {
  readonly unreadCount: number;
  readonly unseenCount: number;
}

/**
 * What an inbox shows. It is replaced and never mutated: compare with `===`.
 *
 * Actions that the server has not confirmed yet are already included, and taken back if it refuses them.
 */
export interface InboxState extends Counts {
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

export interface InboxOptions {
  filter?: Filter;
  /** Notifications a request. Default 20, at most 100. */
  perPage?: number;
  /** The most notifications to keep in memory. Default 500; `loadMore` raises it. */
  keep?: number;
}

/** One filtered list, in step with all others of the same client. Dispatches "change" (detail: `{cause}`). */
export interface InboxStore extends EventTarget {
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
export interface CategoryPreference {
  readonly slug: string;
  readonly name: string | null;
  readonly channels: readonly { readonly slug: string; readonly name: string | null; readonly enabled: boolean }[];
}

/** A request that the gateway refused, or that failed on the way (`status` 0). */
export interface InboxErrorShape extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly errors: readonly { readonly code?: string; readonly message: string; readonly suggestion?: string }[];
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
export interface Client extends EventTarget {
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
  prepare(action: "delete" | "archive", target: string | Filter): { commit(): Promise<void>; undo(): void };

  preferences(): Promise<readonly CategoryPreference[]>;
  setPreference(category: string, channel: string, enabled: boolean): Promise<void>;
  topics(): Promise<readonly unknown[]>;
  subscribe(topic: string, categories?: readonly string[]): Promise<void>;
  unsubscribe(topic: string, categories?: readonly string[]): Promise<void>;
  /** Register what reaches a device or browser: a token of `"web_push"`, `"mobile_push/fcm"`, … It may be repeated. */
  addToken(channel: string, token: object): Promise<{ readonly id: string }>;
  removeToken(channel: string, id: string): Promise<void>;
  /** Send any request to the gateway with the user's credentials. Throws InboxError for a refusal. */
  request(method: string, path: string, options?: { query?: object; body?: unknown; headers?: HeadersInit }): Promise<Response>;
}
