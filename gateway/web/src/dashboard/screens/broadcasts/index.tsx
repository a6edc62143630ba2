/** Broadcasts: how far each is, whom it reached, and what failed. */

import { data, projectApi } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { useCan } from "../../core/session.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import css from "../../parts/sent/sent.css";
import { statusName, statusTone } from "../../parts/sent/words.ts";
import type { ScreenProps } from "../../screens.ts";
import { audienceOf, type Broadcast, isRunning } from "./broadcast.ts";
import { BroadcastDrawer } from "./drawer.tsx";
import { ProgressCell } from "./progress.tsx";

const RUNNING_MS = 2000;

/** The list, and the drawer of the broadcast that the address names. */
export default function Broadcasts({ projectId, rest }: ScreenProps) {
  useStyles(css);
  const can = useCan();
  const shown = rest[0];
  const list = useCursorList(
    `${projectId} broadcasts`,
    async (after, signal) =>
      cursorPage(await data(projectApi(projectId).GET("/v2/broadcasts", { params: { query: { limit: 25, starting_after: after ?? undefined } }, signal }))),
    { everyMs: RUNNING_MS * 5 },
  );
  const hrefTo = (id: string | null) => `projects/${projectId}/broadcasts${id ? `/${id}` : ""}`;
  const columns: Column<Broadcast>[] = [
    { title: t("Title"), render: (each) => each.title, wrap: true },
    { title: t("Status"), render: (each) => <StatusCell projectId={projectId} broadcast={each} />, width: "140px" },
    { title: t("Audience"), render: (each) => audienceOf(each), width: "20%", wide: true },
    { title: t("Category"), render: (each) => (each.category ? <Badge>{each.category}</Badge> : <span class="quiet">–</span>), width: "14%", wide: true },
    { title: t("Reached"), align: "end", render: (each) => number(each.status.summary.total - each.status.summary.failures), width: "84px" },
    { title: t("Failures"), align: "end", render: (each) => <Failures count={each.status.summary.failures} />, width: "90px", wide: true },
    { title: t("Sent"), render: (each) => <Time at={each.created_at} />, width: "120px", wide: true },
  ];
  const compose = can("editor") && (
    <Button kind="primary" icon="compose" href={`projects/${projectId}/compose`}>
      {t("Compose")}
    </Button>
  );
  return (
    <Page
      title={t("Broadcasts")}
      text={t("Notifications to everyone, to users who match a condition, or to the subscribers of a topic, of the last 30 days.")}
      actions={
        <>
          <CopyCurl call={{ path: "/v2/broadcasts" }} />
          {compose}
        </>
      }
    >
      <CursorTable
        label={t("Broadcasts")}
        list={list}
        columns={columns}
        rowKey={(each) => each.id}
        rowHref={(each) => hrefTo(each.id)}
        isCurrent={(each) => each.id === shown}
        what={t("The broadcasts could not be loaded")}
        empty={
          <Empty icon="broadcast" title={t("No broadcasts yet")} action={compose || undefined}>
            {t("A broadcast is one notification for many users. You see its progress here, and can cancel it.")}
          </Empty>
        }
      />
      {shown && <BroadcastDrawer key={shown} projectId={projectId} id={shown} onClose={() => navigate(hrefTo(null))} />}
    </Page>
  );
}

function StatusCell({ projectId, broadcast }: { projectId: string; broadcast: Broadcast }) {
  const { status } = broadcast.status;
  if (isRunning(status)) return <ProgressCell projectId={projectId} id={broadcast.id} initial={status} />;
  return <Status tone={statusTone(status)}>{statusName(status)}</Status>;
}

function Failures({ count }: { count: number }) {
  return count ? <Status tone="danger">{number(count)}</Status> : <span class="quiet">0</span>;
}
