// The vendor's unmodified npm client in the steps of an inbox widget. It prints the results as one line of JSON.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { default: MagicBell, NotificationPreferences } = require("@magicbell/core");

const { INBOX, API_KEY, USER_ID, USER_HMAC } = process.env;
const client = new MagicBell({
  apiKey: API_KEY,
  userExternalId: USER_ID,
  userKey: USER_HMAC,
  stores: [{ id: "default", defaultQueryParams: {} }],
  _baseURL: INBOX,
});
const store = client.getStore("default");
const counts = () => [store.total, store.unreadCount, store.unseenCount];
const seen = {};

await store.fetch();
seen.fetched = counts();
const newest = store.notifications.find(() => true);
seen.title = newest.title;
await newest.markAsRead();
await store.fetch({}, { reset: true });
seen.read = counts();
await newest.markAsUnread();
await store.fetch({}, { reset: true });
seen.unread = counts();
await store.markAllAsSeen({});
await store.markAllAsRead({});
await store.fetch({}, { reset: true });
seen.allRead = counts();
await newest.delete();
await store.fetch({}, { reset: true });
seen.deleted = counts();
const preferences = new NotificationPreferences();
await preferences.fetch();
seen.categories = preferences.categories.map((category) => category.slug);
console.log(JSON.stringify(seen));
process.exit(0);
