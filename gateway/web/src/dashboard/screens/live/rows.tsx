/** The rows of the live tail. Arrow keys, j and k move between them, Enter opens one. */

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { clock, dateTime } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { withParams } from "../../core/url_state.ts";
import { channelName } from "../../core/channels.ts";
import { useWindow } from "./use_window.ts";
import { type ProjectEvent, channelOf, idOf, sentenceOf, toneOf } from "./event_text.ts";

const SKELETON_AFTER_MS = 200;

export interface RowsProps {
  readonly projectId: string;
  readonly rows: readonly ProjectEvent[];
  /** The id of the row that a drawer shows. */
  readonly current: string;
  /** The element that scrolls. */
  readonly scroller: RefObject<HTMLElement | null>;
}

export function Rows({ projectId, rows, current, scroller }: RowsProps) {
  const { start, end, rowPx } = useWindow(scroller, rows.length);
  const sized = (list: HTMLOListElement | null) => {
    list?.style.setProperty("block-size", `${rows.length * rowPx}px`);
    list?.style.setProperty("padding-block-start", `${start * rowPx}px`);
  };
  return (
    <ol class="tail-rows" aria-label={t("Events, the newest first")} onKeyDown={move} ref={sized}>
      {rows.slice(start, end).map((event, index) => (
        <Row key={event.id} projectId={projectId} event={event} isCurrent={event.id === current} place={start + index + 1} count={rows.length} />
      ))}
    </ol>
  );
}

interface RowProps {
  readonly projectId: string;
  readonly event: ProjectEvent;
  readonly isCurrent: boolean;
  readonly place: number;
  readonly count: number;
}

function Row({ projectId, event, isCurrent, place, count }: RowProps) {
  const channel = channelOf(event);
  const user = idOf(event, "user_id");
  return (
    <li class={`tail-row ${toneOf(event)}`} aria-current={isCurrent || undefined} aria-posinset={place} aria-setsize={count}>
      <a class="open" href={withParams({ event: event.id })} data-row>
        <time dateTime={event.timestamp} title={dateTime(event.timestamp)}>
          {clock(event.timestamp)}
          <span class="fraction">{clock(event.timestamp, true).slice(-4)}</span>
        </time>
        <span class="type">{event.type}</span>
        <span class="sentence">
          <i class="tone" aria-hidden="true" />
          {sentenceOf(event)}
        </span>
      </a>
      <span class="channel">{channel && channelName(channel)}</span>
      <span class="ids">
        {user && <a href={`projects/${projectId}/users/${user}`} title={t("User {id}", { id: user })}>{user.slice(-8)}</a>}
        <About projectId={projectId} event={event} />
      </span>
    </li>
  );
}

/** The link to what the event is about: the trace of a notification to a user, the notification, or the broadcast. */
function About({ projectId, event }: { projectId: string; event: ProjectEvent }) {
  const [user, notification, broadcast] = [idOf(event, "user_id"), idOf(event, "notification_id"), idOf(event, "broadcast_id")];
  if (notification && user) return <a href={`projects/${projectId}/deliveries?user=${user}&notification=${notification}`}>{t("Trace")}</a>;
  if (notification) return <a href={`projects/${projectId}/notifications?id=${notification}`}>{t("Notification")}</a>;
  if (broadcast) return <a href={`projects/${projectId}/broadcasts?id=${broadcast}`}>{t("Broadcast")}</a>;
  return null;
}

/** Rows in the geometry of real ones, if these are not there after a moment. */
export function RowsSkeleton() {
  const [shown, show] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => show(true), SKELETON_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!shown) return null;
  return (
    <div role="status" aria-label={t("Loading")}>
      {Array.from({ length: 12 }, (_, row) => (
        <div key={row} class="tail-bone skeleton">
          <span class="bar" />
        </div>
      ))}
    </div>
  );
}

function move(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!by || event.metaKey || event.ctrlKey || event.altKey) return;
  const row = (event.target as HTMLElement).closest("li");
  const next = by > 0 ? row?.nextElementSibling : row?.previousElementSibling;
  event.preventDefault();
  next?.querySelector<HTMLElement>("[data-row]")?.focus();
}
