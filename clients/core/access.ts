import type { Client, ClientOptions, InboxOptions, InboxState, InboxStore } from "inbox-gateway-client";

/** What a list shows before there is a client, and on a server that renders pages. */
export const NOTHING_YET: InboxState = {
  notifications: [],
  total: 0,
  unreadCount: 0,
  unseenCount: 0,
  hasMore: false,
  loading: "first",
  error: null,
  stale: true,
};

/** Return a text that differs if the options are of another user or gateway. Tokens of one user are renewed instead. */
export function identityOf({ token, getToken, ...rest }: ClientOptions): string {
  return JSON.stringify([rest, Boolean(token), Boolean(getToken)]);
}

/** A list that components with equal options share. It follows the stream while at least one of them shows it. */
export class SharedList {
  readonly store: InboxStore;
  #holders = 0;
  #forget: () => void;

  constructor(store: InboxStore, forget: () => void) {
    this.store = store;
    this.#forget = forget;
  }

  /** Call a function after each change, until the returned function is called. */
  subscribe(changed: () => void): () => void {
    this.store.addEventListener("change", changed);
    if (!this.#holders++) this.store.start();
    return once(() => {
      this.store.removeEventListener("change", changed);
      this.#holders--;
      // Not at once: a component that replaces another one, or is mounted twice, shows the same list.
      queueMicrotask(() => {
        if (this.#holders) return;
        this.store.stop();
        this.#forget();
      });
    });
  }
}

/** A client that components share, with one list for each filter. It is connected while at least one holds it. */
export class Access {
  readonly client: Client;
  #owned: boolean;
  #holders = 0;
  #lists = new Map<string, SharedList>();

  /** `owned`: whether the client is closed when nobody holds it any more. */
  constructor(client: Client, owned: boolean) {
    this.client = client;
    this.#owned = owned;
  }

  /** Keep the client connected, until the returned function is called. */
  hold(): () => void {
    if (!this.#holders++) this.client.connect();
    return once(() => {
      this.#holders--;
      queueMicrotask(() => {
        if (!this.#holders && this.#owned) this.client.close();
      });
    });
  }

  /** Return the list for these options. */
  list(options: InboxOptions): SharedList {
    const key = JSON.stringify(options);
    const found = this.#lists.get(key);
    if (found) return found;
    const list: SharedList = new SharedList(this.client.inbox(options), () => {
      if (this.#lists.get(key) === list) this.#lists.delete(key);
    });
    this.#lists.set(key, list);
    return list;
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
