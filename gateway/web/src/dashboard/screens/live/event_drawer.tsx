/** One event, with everything that the gateway knows of it. */

import { dateTime } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { Badge } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Code, Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Properties } from "../../kit/page.tsx";
import { channelName } from "../../core/channels.ts";
import { type ProjectEvent, channelOf, idOf, sentenceOf } from "./event_text.ts";

export function EventDrawer({ projectId, event, onClose }: { projectId: string; event: ProjectEvent; onClose: () => void }) {
  const [user, notification, channel] = [idOf(event, "user_id"), idOf(event, "notification_id"), channelOf(event)];
  return (
    <Drawer title={sentenceOf(event)} onClose={onClose} actions={<CopyCurl call={{ path: `/v2/events/${event.id}` }} />}>
      <Properties
        items={[
          [t("Type"), <Badge tone={event.level === "warning" ? "warning" : "neutral"}>{event.type}</Badge>],
          [t("Time"), dateTime(event.timestamp)],
          [t("Channel"), channel && channelName(channel)],
          [t("User"), user && <Copy text={user} />],
          [t("Notification"), notification && <Copy text={notification} />],
          [t("Event"), <Copy text={event.id} />],
        ]}
      />
      <div class="drawer-links">
        {user && notification && (
          <Button size="small" href={`projects/${projectId}/deliveries?user=${user}&notification=${notification}`}>
            {t("Open the trace")}
          </Button>
        )}
        {user && (
          <Button size="small" icon="user" href={`projects/${projectId}/users/${user}`}>
            {t("Open the user")}
          </Button>
        )}
      </div>
      <Code json={event} label={t("The event as JSON")} />
    </Drawer>
  );
}
