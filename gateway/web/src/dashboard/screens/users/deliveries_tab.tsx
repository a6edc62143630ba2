/** The latest deliveries to a user, each of which leads to its trace. */

import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import type { ProjectUser } from "./people.ts";

type Delivery = components["schemas"]["DeliveryAnswer"];

/** The tab. */
export function DeliveriesTab({ projectId, user }: { projectId: string; user: ProjectUser }) {
  const list = useCursorList(`${projectId} user-deliveries ${user.id}`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/deliveries", { params: { query: { user: user.id, limit: 25, starting_after: after ?? undefined } }, signal }))),
  );
  const columns: Column<Delivery>[] = [
    { title: t("Notification"), render: (each) => each.title ?? <code>{each.notification_id.slice(0, 8)}…</code> },
    { title: t("Channel"), render: (each) => <Badge>{each.channel}</Badge>, width: "130px" },
    {
      title: t("Outcome"),
      render: (each) => (
        <Status tone={each.state === "delivered" ? "ok" : each.state === "skipped" ? "neutral" : "danger"}>
          {each.state}
          {each.reason && <code>{each.reason}</code>}
        </Status>
      ),
      width: "28%",
    },
    { title: t("When"), render: (each) => <Time at={each.timestamp} />, width: "120px", wide: true },
  ];
  return (
    <div class="tab-content">
      <CursorTable
        label={t("Deliveries to the user")}
        list={list}
        columns={columns}
        rowKey={(each) => each.id}
        rowHref={(each) => `projects/${projectId}/deliveries?user=${user.id}&notification=${each.notification_id}`}
        what={t("The deliveries could not be loaded")}
        empty={
          <Empty icon="deliveries" title={t("No deliveries on other channels")} action={<Button href={`projects/${projectId}/deliveries?user=${user.id}`}>{t("Explain a notification")}</Button>}>
            {t("What was sent to this user by email, push, chat or SMS appears here. The inbox has a tab of its own.")}
          </Empty>
        }
      />
    </div>
  );
}
