import { stepsBetween } from "./positions.ts";

export const EMPTY_INBOX = Object.freeze({
  position: null,
  notifications: [],
  total: 0,
  hasMore: false,
  unreadCount: 0,
  unseenCount: 0,
  unarchived: { unreadCount: 0, unseenCount: 0 },
});

/**
 * Return the state of an inbox after an event. A pure function.
 *
 * The state is `{position, notifications, total, hasMore, unreadCount, unseenCount, unarchived:
 * {unreadCount, unseenCount}}`. `position` is that of the last event included, null while the state is out
 * of date. `notifications` are the newest of all `total` items, archived ones included, newest first;
 * `hasMore` is true if there are older ones. The response of a fetch, with the later events applied to it,
 * equals the response of a new fetch as far as `notifications` reaches. Items that an event does not change
 * remain the same object.
 *
 * An event that is already included, or that belongs to another log, changes nothing. Unknown events only
 * update the counts, which are never computed here: each event carries them.
 */
export function applyEvent(inbox, event) {
  const follows = stepsBetween(inbox.position, event.position) > 0;
  if (!follows) return inbox;
  const notifications = notificationsAfter(inbox.notifications, event);
  const total = inbox.total + (ADDED_ITEMS[event.name] ?? 0);
  return {
    position: event.position,
    notifications,
    total,
    hasMore: total > notifications.length,
    ...countsFrom(event),
  };
}

const ADDED_ITEMS = { "notifications/new": 1, "notifications/delete": -1 };

function notificationsAfter(notifications, { name, data }) {
  switch (name) {
    case "notifications/new":
      return [data.notification, ...notifications];
    case "notifications/read":
    case "notifications/unread":
    case "notifications/seen":
    case "notifications/archive":
    case "notifications/unarchive":
      // Only replace: an item that is not in the list is older than the oldest one in it.
      return notifications.map((item) => (item.id === data.id ? data.notification : item));
    case "notifications/delete":
      return notifications.filter((item) => item.id !== data.id);
    case "notifications/read/all":
      return notifications.map((item) => (matches(item, data.filters) ? asRead(item, data.at) : item));
    case "notifications/seen/all":
      return notifications.map((item) => (matches(item, data.filters) ? asSeen(item, data.at) : item));
    case "notifications/archive/all":
      return notifications.map((item) => (matches(item, data.filters) ? asArchived(item, data.at) : item));
    default:
      return notifications;
  }
}

function matches(item, { read, seen, archived, categories, topics } = {}) {
  const isSet = (wanted, timestamp) => wanted === undefined || wanted === (timestamp !== null);
  const isOneOf = (wanted, value) => !wanted?.length || wanted.includes(value);
  return (
    isSet(read, item.read_at) &&
    isSet(seen, item.seen_at) &&
    isSet(archived, item.archived_at) &&
    isOneOf(categories, item.category || "uncategorized") && // the filter's name for items without a category
    isOneOf(topics, item.topic)
  );
}

function asSeen(item, at) {
  return item.seen_at === null ? { ...item, seen_at: at } : item;
}

function asArchived(item, at) {
  return item.archived_at === null ? { ...item, archived_at: at } : item;
}

/** A read item is also seen. */
function asRead(item, at) {
  return item.read_at === null ? { ...asSeen(item, at), read_at: at } : asSeen(item, at);
}

/** Return the counts of a message or of a response, in the names of the state. */
export function countsFrom({ unread_count, unseen_count, unarchived }) {
  return {
    unreadCount: unread_count,
    unseenCount: unseen_count,
    unarchived: { unreadCount: unarchived.unread_count, unseenCount: unarchived.unseen_count },
  };
}
