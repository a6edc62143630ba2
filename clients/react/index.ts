/** React 18 and 19: the bell as components, and hooks for those who draw their own inbox. */

export type { InboxElement } from "../../gateway/web/src/bell/types.ts";
export { InboxBell, type InboxElementProps, InboxList, InboxPreferences } from "./elements.tsx";
export { type Notifications, useConnectionState, useNotifications, useUnreadCount } from "./hooks.ts";
export { InboxProvider, type InboxProviderProps, useInbox } from "./provider.tsx";
