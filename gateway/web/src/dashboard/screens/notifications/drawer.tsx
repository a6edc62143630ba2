/** One notification: its content, what became of it, its recipients, and the request to send it again. */

import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { plural, t } from "../../core/text.ts";
import { useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Code, Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Note, Properties } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { Tabs, useTab } from "../../kit/tabs.tsx";
import { Time } from "../../kit/time.tsx";
import { SentFigures } from "../../parts/sent/figures.tsx";
import { type Content, ContentPreview } from "../../parts/sent/preview.tsx";
import { RecipientTable } from "../../parts/sent/recipients.tsx";
import { audienceText, statusName, statusTone } from "../../parts/sent/words.ts";
import { sendAgain } from "./send_again.ts";

type Detail = components["schemas"]["SentDetail"];

/** The drawer of a notification. */
export function NotificationDrawer({ projectId, id, onClose }: { projectId: string; id: string; onClose: () => void }) {
  const detail = useQuery(`${projectId} sent ${id}`, (signal) =>
    data(projectApi(projectId).GET("/v2/sent/{notification_id}", { params: { path: { notification_id: id } }, signal })),
  );
  const title = (detail.data?.notification as Content | null | undefined)?.title;
  return (
    <Drawer title={title ?? t("Notification")} onClose={onClose} actions={<CopyCurl call={{ path: `/v2/sent/${id}` }} />}>
      <Loaded query={detail} what={t("The notification could not be loaded")} skeleton={<Skeleton lines={8} height={24} />}>
        {(found) => <Sections projectId={projectId} detail={found} />}
      </Loaded>
    </Drawer>
  );
}

function Sections({ projectId, detail }: { projectId: string; detail: Detail }) {
  const tabs = [
    { id: "overview", label: t("Overview") },
    { id: "recipients", label: t("Recipients"), count: detail.recipients },
    { id: "json", label: t("JSON") },
  ];
  const [tab, choose] = useTab(tabs);
  return (
    <div class="drawer-sections">
      <Tabs label={t("Parts of the notification")} tabs={tabs} value={tab} onChange={choose} />
      {tab === "overview" && <Overview projectId={projectId} detail={detail} />}
      {tab === "recipients" && <RecipientTable projectId={projectId} id={detail.id} />}
      {tab === "json" && <Code label={t("The notification as JSON")} json={detail} />}
    </div>
  );
}

function Overview({ projectId, detail }: { projectId: string; detail: Detail }) {
  const content = detail.notification as Content & { topic?: string | null } | null;
  return (
    <>
      {content ? (
        <ContentPreview content={content} />
      ) : (
        <Note>{t("No recipient has it in the inbox: it was kept out, deleted, or too old to be kept.")}</Note>
      )}
      <SentFigures detail={detail} />
      <Actions projectId={projectId} detail={detail} />
      <Properties
        items={[
          [t("Id"), <Copy key="id" text={detail.id} />],
          [t("Sent"), <Time key="sent" at={detail.sent_at} />],
          [t("Audience"), audienceText(detail.audience, detail.recipients)],
          ...(detail.status ? [[t("Status"), <Status key="status" tone={statusTone(detail.status)}>{statusName(detail.status)}</Status>] as const] : []),
          [t("Category"), content?.category && <Badge>{content.category}</Badge>],
          ...(content?.topic ? [[t("Topic"), content.topic] as const] : []),
        ]}
      />
    </>
  );
}

function Actions({ projectId, detail }: { projectId: string; detail: Detail }) {
  const can = useCan();
  const why = `projects/${projectId}/deliveries?notification=${detail.id}`;
  return (
    <div class="drawer-actions">
      <Button icon="info" href={why}>
        {t("Why did someone not get it?")}
      </Button>
      {detail.is_broadcast && (
        <Button icon="broadcast" href={`projects/${projectId}/broadcasts/${detail.id}`}>
          {t("Open the broadcast")}
        </Button>
      )}
      {can("editor") && detail.notification && (
        <Button icon="send" onClick={() => sendAgain(projectId, detail)} title={plural(detail.recipients, "To {n} user", "To {n} users")}>
          {t("Send again")}
        </Button>
      )}
    </div>
  );
}
