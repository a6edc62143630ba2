/** The rows of the live tail. Arrow keys, j and k move between them, Enter opens one. */

import { memo } from "./memo.ts";
import { clock, dateTime } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { withParams } from "../../core/url_state.ts";
import { channelName } from "../../core/channels.ts";
import { type ProjectEvent, channelOf, idOf, sentenceOf, toneOf } from "./event_text.ts";

export function Rows({ projectId, rows, current }: { projectId: string; rows: readonly ProjectEvent[]; current: string }) {
  return (
    <ol class="tail-rows" aria-label={t("Events, the newest first")} onKeyDown={move}>
      {rows.map((event) => (
        <Row key={event.id} projectId={projectId} event={event} isCurrent={event.id === current} />
      ))}
    </ol>
  );
}

const Row = memo(({ projectId, event, isCurrent }: { projectId: string; event: ProjectEvent; isCurrent: boolean }) => {
  const channel = channelOf(event);
  const user = idOf(event, "user_id");
  return (
    <li class={`tail-row ${toneOf(event)}`} aria-current={isCurrent || undefined}>
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
});

/** The link to what the event is about: the trace of a notification to a user, the notification, or the broadcast. */
function About({ projectId, event }: { projectId: string; event: ProjectEvent }) {
  const [user, notification, broadcast] = [idOf(event, "user_id"), idOf(event, "notification_id"), idOf(event, "broadcast_id")];
  if (notification && user) return <a href={`projects/${projectId}/deliveries?user=${user}&notification=${notification}`}>{t("Trace")}</a>;
  if (notification) return <a href={`projects/${projectId}/notifications?id=${notification}`}>{t("Notification")}</a>;
  if (broadcast) return <a href={`projects/${projectId}/broadcasts?id=${broadcast}`}>{t("Broadcast")}</a>;
  return null;
}

function move(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!by || event.metaKey || event.ctrlKey || event.altKey) return;
  const row = (event.target as HTMLElement).closest("li");
  const next = by > 0 ? row?.nextElementSibling : row?.previousElementSibling;
  event.preventDefault();
  next?.querySelector<HTMLElement>("[data-row]")?.focus();
}
