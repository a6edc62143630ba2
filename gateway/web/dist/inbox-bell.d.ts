/** The public types of `<inbox-bell>`, `<inbox-list>` and `<inbox-preferences>`. The wrappers in clients/ are made of them. */
type Theme = "light" | "dark" | "auto";
/** A text, or its forms by the plural categories of the language. */
type Text = string | ({
    readonly other: string;
} & {
    readonly [category in Intl.LDMLPluralRule]?: string;
});
/** The attributes of all three elements. Each is a property as well, in camel case. */
interface InboxAttributes {
    /** The project's API key. Not needed with a token, which names it. */
    "api-key"?: string;
    /** The user's id in your application. */
    "user-external-id"?: string;
    /** The user's email address, if your application has no id. */
    "user-email"?: string;
    /** The signature of the external id or email, which your backend makes. */
    "user-hmac"?: string;
    /** A token of the user, instead of the four above. */
    token?: string;
    /** The address of the gateway. Default: where the script was loaded from. */
    url?: string;
    /** The language. Default: that of the page. */
    locale?: string;
    theme?: Theme;
    /**
     * Which tabs are shown, separated by spaces: `all`, `unread`, `archived`, `category:NAME`, `topic:NAME`. A tab has
     * another label with `=LABEL`, in which `_` is a space. Default: `all unread archived`.
     */
    tabs?: string;
    /** Shows new notifications at the edge of the page while the panel is closed (`<inbox-bell>` only). */
    toasts?: string;
    /** The address of your service worker. Offers notifications of the browser. */
    "push-worker"?: string;
}
/** What can only be set by a script. */
interface InboxProperties {
    /** Returns a token of the user. Called at the start, before a token ends, and when one is refused. */
    getToken?: (() => string | Promise<string>) | null;
    /** A client of the page's own, instead of credentials. The element never closes it. */
    client?: Client | null;
    /** Texts that replace those of the language, by their keys. */
    messages?: Readonly<Record<string, Text>> | null;
}
/** The events of the elements. All of them bubble and are composed. */
interface InboxEvents {
    /** A notification was clicked. `preventDefault()` keeps the element from following its link. */
    "inbox-item-click": CustomEvent<{
        readonly notification: Notification;
        readonly url: string | null;
    }>;
    /** A notification arrived while the page was open. */
    "inbox-new": CustomEvent<{
        readonly notification: Notification;
    }>;
    /** The state of the connection changed. */
    "inbox-state": CustomEvent<ConnectionState>;
    /** The credentials cannot work, or an action was refused and taken back. */
    "inbox-error": CustomEvent<{
        readonly error: InboxErrorShape | Error;
        readonly action?: string;
        readonly ids?: readonly string[];
    }>;
}
type Properties = {
    [Name in keyof InboxAttributes as Camel<Name>]: InboxAttributes[Name] | null;
};
type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name;
/** What all three elements have in common. */
interface InboxElement extends HTMLElement, Required<Properties>, Required<InboxProperties> {
    addEventListener<Type extends keyof InboxEvents>(type: Type, listener: (this: InboxElement, event: InboxEvents[Type]) => unknown, options?: boolean | AddEventListenerOptions): void;
    addEventListener<Type extends keyof HTMLElementEventMap>(type: Type, listener: (this: InboxElement, event: HTMLElementEventMap[Type]) => unknown, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}
/** `<inbox-bell>`, whose panel a script can open and close. */
interface InboxBellElement extends InboxElement {
    open(): void;
    close(): void;
}
/** The elements by their tags. */
interface InboxElements {
    "inbox-bell": InboxBellElement;
    "inbox-list": InboxElement;
    "inbox-preferences": InboxElement;
}
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
export { InboxAttributes, InboxBellElement, InboxElement, InboxElements, InboxEvents, InboxProperties, Text, Theme };
declare global {
    interface HTMLElementTagNameMap extends InboxElements {
    }
}
