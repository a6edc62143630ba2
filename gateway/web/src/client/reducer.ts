import type { CountsBody, InboxEvent, MessageCounts } from "./messages.ts";
import { stepsBetween } from "./positions.ts";
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

type Flag = "read" | "seen" | "archived";
type Fact = `${Flag}_at`;

const FLAGS: readonly Flag[] = ["read", "seen", "archived"];

/** What each action sets (true) or clears (false). A read notification is also seen. */
const WRITES: Record<string, Partial<Record<Fact, boolean>>> = {
  read: { seen_at: true, read_at: true },
  unread: { read_at: false },
  seen: { seen_at: true },
  archive: { archived_at: true },
  unarchive: { archived_at: false },
};

/** Return a notification after an action at a time: the same object if it changes nothing, null if it deletes it. */
export function changed(item: Notification, action: string, at: number): Notification | null {
  if (action === "delete") return null;
  return Object.entries(WRITES[action]!).reduce(
    (result, [fact, set]) => (set === (result[fact as Fact] !== null) ? result : { ...result, [fact]: set ? at : null }),
    item,
  );
}

/** Return a notification as it was before the action that made it so. Whether a read one was seen may be unknown. */
function before(item: Notification, action: string): Notification {
  const result: Record<string, unknown> = { ...item };
  for (const [fact, set] of Object.entries(WRITES[action]!)) result[fact] = set ? null : 1;
  if (action === "read" && item.seen_at !== item.read_at) result.seen_at = item.seen_at;
  return result as unknown as Notification;
}

function matches(item: Notification, filter: Filter): boolean {
  const isOneOf = (wanted: readonly string[] | undefined, value: string | null) => !wanted?.length || wanted.includes(value!);
  return (
    FLAGS.every((flag) => filter[flag] === undefined || filter[flag] === (item[`${flag}_at`] !== null)) &&
    isOneOf(filter.categories, item.category || "uncategorized") && // the filter's name for items without a category
    isOneOf(filter.topics, item.topic)
  );
}

/** Return the counts for a filter in a message of the stream, if it has them: those of all, or by `archived` only. */
export function countsIn(message: MessageCounts, filter: Filter): Counts | undefined {
  const { archived, ...others } = filter;
  if (Object.keys(others).length) return undefined;
  const count = (name: keyof CountsBody) =>
    archived === undefined ? message[name] : archived ? message[name] - message.unarchived[name] : message.unarchived[name];
  return { unreadCount: count("unread_count"), unseenCount: count("unseen_count") };
}

/**
 * Return a snapshot after one notification has changed; `null` stands for one that does not exist.
 *
 * A notification that newly matches is inserted at its place. The server's order is that of arrival, in which `sent_at`
 * never decreases. Among notifications of the same second the order is unknown.
 */
export function put(snapshot: Snapshot, filter: Filter, was: Notification | null, is: Notification | null, newest = false): Snapshot {
  const { total } = snapshot;
  let { unknown } = snapshot;
  const { id } = (is ?? was)!;
  const list = [...snapshot.notifications];
  let place = list.findIndex((item) => item.id === id);
  const [old] = place < 0 ? [was] : list.splice(place, 1);
  const before = old && matches(old, filter) ? old : null;
  const after = is && matches(is, filter) ? is : null;
  if (!before && !after) return snapshot;
  if (after) {
    if (place < 0 && !before) {
      place = newest ? 0 : list.findIndex((item) => item.sent_at <= after.sent_at);
      if (!newest && (unknown || list[place]?.sent_at === after.sent_at)) unknown = 2;
      if (place < 0 && list.length === total) place = total; // it is the oldest one, and all are loaded
    }
    if (place >= 0) list.splice(place, 0, after);
  }
  const step = (counts: (item: Notification) => boolean) => Number(!!after && counts(after)) - Number(!!before && counts(before));
  return {
    position: snapshot.position,
    notifications: list,
    total: total + step(() => true),
    unreadCount: snapshot.unreadCount + step((item) => item.read_at === null),
    unseenCount: snapshot.unseenCount + step((item) => item.seen_at === null),
    unknown,
  };
}

/** Return a snapshot after an action on all notifications that match `target`. */
export function applyToAll(snapshot: Snapshot, filter: Filter, action: string, at: number, target: Filter): Snapshot {
  const writes = WRITES[action]!;
  const decides = (value: boolean) => FLAGS.some((flag) => writes[`${flag}_at`] && filter[flag] === value);
  const result = snapshot.notifications.reduce((state, item) => {
    const after = matches(item, target) ? changed(item, action, at) : item;
    return after === item ? state : put(state, filter, item, after);
  }, snapshot);
  if (decides(true)) return { ...result, unknown: 2 }; // notifications enter the list, which may not be loaded
  const covered = Object.entries(target).every(([name, value]) => String(filter[name as keyof Filter]) === String(value));
  if (covered) {
    if (decides(false)) return { ...EMPTY, position: result.position, unknown: result.unknown };
    const left = (fact: Fact, count: number) => (writes[fact] ? 0 : count);
    return { ...result, unreadCount: left("read_at", result.unreadCount), unseenCount: left("seen_at", result.unseenCount) };
  }
  return result.total > result.notifications.length ? { ...result, unknown: result.unknown || 1 } : result;
}

/**
 * Return a snapshot after an event. A pure function.
 *
 * The response of a fetch, with the later events applied to it, equals the response of a new fetch as far as it
 * reaches, unless `unknown` asks for one. Notifications that an event does not change remain the same object. An event
 * that is already included, or that belongs to another log, changes nothing.
 */
export function applyEvent(snapshot: Snapshot, event: InboxEvent, filter: Filter = {}): Snapshot {
  if (snapshot.position === null || !(stepsBetween(snapshot.position, event.position) > 0)) return snapshot;
  const [, action, all] = event.name.split("/") as [string, string, string?];
  const { notification: item, at, filters } = event.data;
  const counts = countsIn(event, filter);
  let result = snapshot;
  if (all) {
    if (action in WRITES) result = applyToAll(snapshot, filter, action, at!, filters as Filter);
    // The counts are in the event, and only archiving changes the total of a list that is filtered by nothing else.
    if (counts && (action !== "archive" || filter.archived === undefined)) result = { ...result, unknown: snapshot.unknown };
  } else if (action === "new") {
    result = put(snapshot, filter, null, item!, true);
  } else if (action === "delete") {
    result = put(snapshot, filter, item!, null);
  } else if (item && action in WRITES) {
    result = put(snapshot, filter, before(item, action), item);
    const isLoaded = snapshot.notifications.some(({ id }) => id === item.id);
    if (action === "read" && item.seen_at === item.read_at && !counts && !isLoaded) result = { ...result, unknown: result.unknown || 1 };
  }
  return { ...result, position: event.position, ...counts };
}
