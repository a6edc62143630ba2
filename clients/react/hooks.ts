import type { ConnectionState, Filter, InboxOptions, InboxState } from "inbox-gateway-client";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { NOTHING_YET } from "../core/access.ts";
import { useInbox, useRequiredAccess } from "./provider.tsx";

export interface Notifications extends InboxState {
  /** Fetch older notifications. */
  loadMore(): Promise<void>;
  /** Fetch again after `error`. */
  retry(): void;
}

/** Return the notifications that match a filter, in step with the gateway. Equal filters share one list. */
export function useNotifications(filter: Filter = {}, options: Omit<InboxOptions, "filter"> = {}): Notifications {
  const access = useRequiredAccess();
  const key = JSON.stringify({ ...options, filter });
  const list = useMemo(() => access.list(JSON.parse(key)), [access, key]);
  const state = useSyncExternalStore(
    useCallback((changed) => list.subscribe(changed), [list]),
    () => list.store.state,
    () => NOTHING_YET,
  );
  return useMemo(
    () => ({ ...state, loadMore: () => list.store.loadMore(), retry: () => list.store.retry() }),
    [list, state],
  );
}

/** Return how many notifications are unread, without archived ones. */
export function useUnreadCount(): number {
  const client = useInbox();
  return useSyncExternalStore(
    useListening("counts"),
    () => client.counts.unreadCount,
    () => 0,
  );
}

const CONNECTING: ConnectionState = { status: "connecting" };

/** Return the state of the connection. */
export function useConnectionState(): ConnectionState {
  const client = useInbox();
  return useSyncExternalStore(
    useListening("state"),
    () => client.state,
    () => CONNECTING,
  );
}

function useListening(type: string): (changed: () => void) => () => void {
  const client = useInbox();
  return useCallback(
    (changed) => {
      client.addEventListener(type, changed);
      return () => client.removeEventListener(type, changed);
    },
    [client, type],
  );
}
