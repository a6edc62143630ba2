/** One broadcast: its progress, what became of it, its recipients and its errors, and the button that stops it. */

import { data, projectApi } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, type Query, useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { Badge } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Code, Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Properties } from "../../kit/page.tsx";
import { Empty, Loaded, Skeleton } from "../../kit/states.tsx";
import { Table } from "../../kit/table.tsx";
import { Tabs, useTab } from "../../kit/tabs.tsx";
import { Time } from "../../kit/time.tsx";
import { SentFigures } from "../../parts/sent/figures.tsx";
import { ContentPreview } from "../../parts/sent/preview.tsx";
import { RecipientTable } from "../../parts/sent/recipients.tsx";
import { audienceOf, type Broadcast, conditionsOf, isRunning } from "./broadcast.ts";
import { type Detail, Progress, useProgress } from "./progress.tsx";

/** The drawer of a broadcast. */
export function BroadcastDrawer({ projectId, id, onClose }: { projectId: string; id: string; onClose: () => void }) {
  const broadcast = useQuery(`${projectId} broadcasts ${id}`, (signal) =>
    data(projectApi(projectId).GET("/v2/broadcasts/{broadcast_id}", { params: { path: { broadcast_id: id } }, signal })),
  );
  return (
    <Drawer title={broadcast.data?.title ?? t("Broadcast")} onClose={onClose} actions={<CopyCurl call={{ path: `/v2/broadcasts/${id}` }} />}>
      <Loaded query={broadcast} what={t("The broadcast could not be loaded")} skeleton={<Skeleton lines={8} height={24} />}>
        {(found) => <Sections projectId={projectId} broadcast={found} />}
      </Loaded>
    </Drawer>
  );
}

function Sections({ projectId, broadcast }: { projectId: string; broadcast: Broadcast }) {
  const { summary } = broadcast.status;
  const detail = useProgress(projectId, broadcast.id, broadcast.status.status);
  const tabs = [
    { id: "overview", label: t("Overview") },
    { id: "recipients", label: t("Recipients") },
    { id: "errors", label: t("Errors"), count: summary.failures },
    { id: "json", label: t("JSON") },
  ];
  const [tab, choose] = useTab(tabs);
  return (
    <div class="drawer-sections">
      <Progress detail={detail.data} status={detail.data?.status ?? broadcast.status.status} />
      <CancelButton projectId={projectId} broadcast={broadcast} />
      <Tabs label={t("Parts of the broadcast")} tabs={tabs} value={tab} onChange={choose} />
      {tab === "overview" && <Overview projectId={projectId} broadcast={broadcast} detail={detail} />}
      {tab === "recipients" && <RecipientTable projectId={projectId} id={broadcast.id} />}
      {tab === "errors" && <Errors broadcast={broadcast} projectId={projectId} />}
      {tab === "json" && <Code label={t("The broadcast as JSON")} json={broadcast} />}
    </div>
  );
}

function CancelButton({ projectId, broadcast }: { projectId: string; broadcast: Broadcast }) {
  const can = useCan();
  if (!can("editor") || !isRunning(broadcast.status.status)) return null;
  const path = { params: { path: { broadcast_id: broadcast.id } } };
  async function cancel(): Promise<void> {
    const text = t("Users who have not got “{title}” by now do not get it. Those who have it keep it.", { title: broadcast.title });
    if (!(await confirm({ title: t("Cancel this broadcast?"), text, action: t("Stop sending"), danger: true }))) return;
    const cancelled = await data(projectApi(projectId).POST("/v2/broadcasts/{broadcast_id}/cancel", path));
    invalidate(`${projectId} broadcasts`);
    invalidate(`${projectId} progress ${broadcast.id}`);
    if (cancelled.status.status === "cancelled") toast(t("The broadcast is cancelled"), "ok");
    else toast(t("The broadcast was sent before it could be cancelled"), "neutral");
  }
  return (
    <div class="drawer-actions">
      <Button kind="danger" icon="close" onClick={cancel}>
        {t("Cancel broadcast")}
      </Button>
      <CopyCurl size="normal" call={{ method: "POST", path: `/v2/broadcasts/${broadcast.id}/cancel` }} />
    </div>
  );
}

function Overview({ projectId, broadcast, detail }: { projectId: string; broadcast: Broadcast; detail: Query<Detail> }) {
  const conditions = conditionsOf(broadcast);
  return (
    <>
      <ContentPreview content={broadcast} />
      <Loaded query={detail} skeleton={<Skeleton lines={2} height={32} />}>
        {(found) => <SentFigures detail={found} />}
      </Loaded>
      <Properties
        items={[
          [t("Id"), <Copy key="id" text={broadcast.id} />],
          [t("Sent"), <Time key="sent" at={broadcast.created_at} />],
          [t("Audience"), audienceOf(broadcast)],
          ...(conditions.length ? [[t("Condition"), conditions.map((each) => <code key={each}>{each}</code>)] as const] : []),
          [t("Category"), broadcast.category && <Badge>{broadcast.category}</Badge>],
          ...(broadcast.topic ? [[t("Topic"), broadcast.topic] as const] : []),
          [t("Failures"), number(broadcast.status.summary.failures)],
        ]}
      />
      <div class="drawer-actions">
        <Button icon="bell" href={`projects/${projectId}/notifications/${broadcast.id}`}>
          {t("Open the notification")}
        </Button>
      </div>
    </>
  );
}

function Errors({ projectId, broadcast }: { projectId: string; broadcast: Broadcast }) {
  const { errors, summary } = broadcast.status;
  if (!errors.length) {
    return <Empty icon="check" title={t("No errors")}>{t("Every recipient who was processed got it, or chose not to.")}</Empty>;
  }
  const csv = `api/projects/${projectId}/v2/broadcasts/${broadcast.id}/errors.csv`;
  const columns = [{ title: t("Message"), render: ({ row }: { row: string }) => row, wrap: true }];
  return (
    <>
      <div class="drawer-actions">
        <Button icon="download" href={csv} download target="_self">
          {t("Download as CSV")}
        </Button>
        {summary.failures > errors.length && (
          <span class="quiet small">{plural(errors.length, "The first {n} error", "The first {n} errors")}</span>
        )}
      </div>
      <Table label={t("Errors")} columns={columns} rows={errors.map(({ message }, index) => ({ row: message, key: index }))} rowKey={({ key }) => String(key)} />
    </>
  );
}
