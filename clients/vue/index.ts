/** Vue 3: the bell as components, and composables for those who draw their own inbox. */

export type { InboxElement } from "../../gateway/web/src/bell/types.ts";
export { InboxBell, InboxList, InboxPreferences } from "./elements.ts";
export { type Notifications, provideInbox, type ProvidedInbox, useInbox, useNotifications, useUnreadCount } from "./inbox.ts";
