/** One list of a client without a network. */

import type { Filter, InboxState, InboxStore, Notification } from "../../client/types.ts";

const FLAGS = ["read", "seen", "archived"] as const;

/** Return whether a filter selects a notification, as the gateway's lists have it. */
export function matches(item: Notification, filter: Filter): boolean {
  const isOneOf = (wanted: readonly string[] | undefined, value: string) => !wanted?.length || wanted.includes(value);
  return (
    FLAGS.every((flag) => filter[flag] === undefined || filter[flag] === (item[`${flag}_at`] !== null)) &&
    isOneOf(filter.categories, item.category || "uncategorized") &&
    isOneOf(filter.topics, item.topic ?? "")
  );
}

export class PreviewInbox extends EventTarget implements InboxStore {
  readonly filter: Filter;
  state: InboxState;

  constructor(filter: Filter, notifications: readonly Notification[]) {
    super();
    this.filter = filter;
    this.state = this.#stateOf(notifications);
  }

  /** Show those of these notifications that the filter selects. */
  show(notifications: readonly Notification[]): void {
    this.state = this.#stateOf(notifications);
    this.dispatchEvent(new CustomEvent("change", { detail: { cause: "event" } }));
  }

  start(): void {}
  stop(): void {}
  async loadMore(): Promise<void> {}
  retry(): void {}

  #stateOf(all: readonly Notification[]): InboxState {
    const notifications = all.filter((each) => matches(each, this.filter));
    return {
      notifications,
      total: notifications.length,
      unreadCount: notifications.filter(({ read_at }) => read_at === null).length,
      unseenCount: notifications.filter(({ seen_at }) => seen_at === null).length,
      hasMore: false,
      loading: null,
      error: null,
      stale: false,
    };
  }
}
