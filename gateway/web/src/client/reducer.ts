import type { CountsBody, InboxEvent, MessageCounts } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
import { withoutUnset } from "./records.ts";
import type { Counts, Filter, Notification } from "./types.ts";

/** The beginning of a filtered list with its counts, as of a position. */
export interface Snapshot extends Counts {
  /** That of the last event included; null while the snapshot is out of date. */
  readonly position: string | null;
  /** The newest of all `total` notifications that match the filter, newest first. */
  readonly notifications: readonly Notification[];
  readonly total: number;
  /** What must be fetched, because an event could not decide it: nothing, the counts, or also the list. */
  readonly unknown: 0 | 1 | 2;
}

export const EMPTY: Snapshot = { position: null, notifications: [], total: 0, unreadCount: 0, unseenCount: 0, unknown: 0 };

const FLAGS = ["read", "seen", "archived"] as const;

type Fact = `${(typeof FLAGS)[number]}_at`;

/** Whether each action sets or clears, and what. A read notification is also seen. */
const WRITES: Record<string, readonly [boolean, ...Fact[]]> = {
  read: [true, "read_at", "seen_at"],
  unread: [false, "read_at"],
  seen: [true, "seen_at"],
  archive: [true, "archived_at"],
  unarchive: [false, "archived_at"],
};

/** Return a notification after an action at a time: the same object if it changes nothing, null if it deletes it. */
export function changed(item: Notification, action: string, at: number | null): Notification | null {
  if (action === "delete") return null;
  const [set, ...facts] = WRITES[action]!;
  let result = item;
  for (const fact of facts) if (set !== !!item[fact]) result = { ...result, [fact]: set ? at : null };
  return result;
}

/** Return a notification as it was before the action that made it so. */
function before(item: Notification, action: string): Notification {
  const [set, ...facts] = WRITES[action]!;
  const result = { ...item } as Record<Fact, number | null>;
  for (const fact of facts) result[fact] = set ? null : 1;
  // One that was read later than it was seen was seen before. Otherwise it may have been.
  if (item.seen_at !== item.read_at && action === "read") result.seen_at = 1;
  return result as unknown as Notification;
}

/** Return a filter without unset fields. Throws TypeError for anything else, which would otherwise match everything. */
export function checked(filter: Filter): Filter {
  const names: readonly string[] = [...FLAGS, "categories", "topics"];
  if (typeof filter !== "object" || !Object.keys(filter).every((name) => names.includes(name)))
    throw new TypeError(`Expected an id, or a filter by ${names.join(", ")}`);
  return withoutUnset(filter);
}

function matches(item: Notification, filter: Filter): boolean {
  const isOneOf = (wanted: readonly string[] | undefined, value: string | null) => !wanted?.length || wanted.includes(value!);
  return (
    FLAGS.every((flag) => (filter[flag] ?? !!item[`${flag}_at`]) === !!item[`${flag}_at`]) &&
    isOneOf(filter.categories, item.category || "uncategorized") && // the filter's name for items without a category
    isOneOf(filter.topics, item.topic)
  );
}

/** Return the counts for a filter in a message of the stream, if it has them: those of all, or by `archived` only. */
export function countsIn(message: MessageCounts, filter: Filter): Counts | undefined {
  const { archived, ...others } = filter;
  if (Object.keys(others).length) return undefined;
  const { unarchived } = message;
  const count = (name: keyof CountsBody) =>
    archived === false ? unarchived[name] : message[name] - (archived ? unarchived[name] : 0);
  return { unreadCount: count("unread_count"), unseenCount: count("unseen_count") };
}

/**
 * Return a snapshot after one notification has changed; `null` stands for one that does not exist.
 *
 * A notification that newly matches is inserted at its place. The server's order is that of arrival, in which `sent_at`
 * never decreases. Among notifications of the same second the order is unknown.
 */
export function put(snapshot: Snapshot, filter: Filter, was: Notification | null, is: Notification | null, isNewest = false): Snapshot {
  let { total, unreadCount, unseenCount, unknown } = snapshot;
  const list = [...snapshot.notifications];
  let place = list.findIndex(({ id }) => id === (is ?? was)!.id);
  const old = place < 0 ? was : list.splice(place, 1)[0]!;
  const left = old && matches(old, filter);
  const entered = is && matches(is, filter);
  if (!left && !entered) return snapshot;
  if (entered) {
    if (!left && place < 0) {
      place = isNewest ? 0 : list.findIndex(({ sent_at }) => sent_at <= is.sent_at);
      if (!isNewest && (unknown || list[place]?.sent_at === is.sent_at)) unknown = 2;
      if (place < 0 && list.length === total) place = total; // it is the oldest one, and all are loaded
    }
    if (place >= 0) list.splice(place, 0, is);
  }
  const count = (item: Notification, by: number) => {
    total += by;
    if (!item.read_at) unreadCount += by;
    if (!item.seen_at) unseenCount += by;
  };
  if (left) count(old, -1);
  if (entered) count(is, 1);
  return { ...snapshot, notifications: list, total, unreadCount, unseenCount, unknown };
}

/** Return a snapshot after an action on all notifications that match `target`. */
export function applyToAll(snapshot: Snapshot, filter: Filter, action: string, at: number, target: Filter): Snapshot {
  const facts = WRITES[action]!;
  const decides = (value: boolean) => FLAGS.some((flag) => facts.includes(`${flag}_at`) && filter[flag] === value);
  const { position, notifications: loaded, unknown } = snapshot;
  const notifications = loaded
    .map((item) => (matches(item, target) ? changed(item, action, at)! : item))
    .filter((item) => matches(item, filter));
  const total = snapshot.total + notifications.length - loaded.length;
  const difference = (fact: Fact) => notifications.filter((item) => !item[fact]).length - loaded.filter((item) => !item[fact]).length;
  const unreadCount = snapshot.unreadCount + difference("read_at");
  const unseenCount = snapshot.unseenCount + difference("seen_at");
  const result = { ...snapshot, notifications, total, unreadCount, unseenCount };
  if (decides(true)) return { ...result, unknown: 2 }; // notifications enter the list, which may not be loaded
  // Whether the target covers the list. That only unread notifications are marked as read is no restriction.
  const isMet = ([name, value]: [string, unknown]) =>
    (value === false && `${name}_at` === facts[1]) || String(filter[name as keyof Filter]) === String(value);
  if (Object.entries(target).every(isMet)) {
    if (decides(false)) return { ...EMPTY, position, unknown };
    if (facts.includes("seen_at")) return { ...result, unseenCount: 0, unreadCount: action === "read" ? 0 : unreadCount };
    return result;
  }
  return total > notifications.length ? { ...result, unknown: unknown || 1 } : result;
}

/**
 * Return a snapshot after an event. A pure function.
 *
 * The response of a fetch, with the later events applied to it, equals the response of a new fetch as far as it
 * reaches, unless `unknown` asks for one. Notifications that an event does not change remain the same object. An event
 * that is already included, or that belongs to another log, changes nothing.
 */
export function applyEvent(snapshot: Snapshot, event: InboxEvent, filter: Filter = {}): Snapshot {
  if (!snapshot.position || !(stepsBetween(snapshot.position, event.position) > 0)) return snapshot;
  const [, action, all] = event.name.split("/") as [string, string, string?];
  const { notification: item, at, filters } = event.data;
  const counts = countsIn(event, filter);
  const isNew = action === "new";
  const isGone = action === "delete";
  let result = snapshot;
  let { unknown } = result;
  if (!(action in WRITES || isNew || isGone)) {
    if (item || all) unknown = 2; // an event of a newer server
  } else if (!item) {
    result = applyToAll(snapshot, filter, action, at!, filters as Filter);
    // The counts are in the event, and only archiving changes the total of a list that is filtered by nothing else.
    if (!counts || (action === "archive" && filter.archived !== undefined)) unknown = result.unknown;
  } else {
    result = put(snapshot, filter, isNew ? null : isGone ? item : before(item, action), isGone ? null : item, isNew);
    unknown = result.unknown;
    if (!unknown && !counts && action === "read" && item.seen_at === item.read_at && !snapshot.notifications.some(({ id }) => id === item.id)) unknown = 1;
  }
  return { ...result, ...counts, position: event.position, unknown };
}
