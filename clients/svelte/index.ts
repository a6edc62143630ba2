/** Svelte 4 and 5: the types of the elements in templates, and stores for those who draw their own inbox. */

import type { Client, Filter, InboxOptions, InboxState } from "inbox-gateway-client";
import type { Readable } from "svelte/store";
import { SharedList } from "../core/access.ts";

export type { InboxElementAttributes } from "./elements.ts";

export interface Notifications extends Readable<InboxState> {
  /** Fetch older notifications. */
  loadMore(): Promise<void>;
  /** Fetch again after `error`. */
  retry(): void;
}

/** Return a store of the notifications that match a filter. It follows the gateway while it has subscribers. */
export function notifications(
  client: Client,
  filter: Filter = {},
  options: Omit<InboxOptions, "filter"> = {},
): Notifications {
  const list = new SharedList(client.inbox({ ...options, filter }), () => {});
  return {
    subscribe(run) {
      const stop = list.subscribe(() => run(list.store.state));
      run(list.store.state);
      return stop;
    },
    loadMore: () => list.store.loadMore(),
    retry: () => list.store.retry(),
  };
}

/** Return a store of how many notifications are unread, without archived ones. Connects the client. */
export function unreadCount(client: Client): Readable<number> {
  return {
    subscribe(run) {
      const show = () => run(client.counts.unreadCount);
      client.addEventListener("counts", show);
      client.connect();
      show();
      return () => client.removeEventListener("counts", show);
    },
  };
}
