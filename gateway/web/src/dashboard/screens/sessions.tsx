/** The reader's own sessions: browsers, and tokens of scripts. */

import { adminApi, data } from "../core/api.ts";
import type { components } from "../core/api_types.d.ts";
import { toast } from "../core/live_region.ts";
import { invalidate, useQuery } from "../core/query.ts";
import { signOut } from "../core/session.ts";
import { t } from "../core/text.ts";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { confirm } from "../kit/confirm.tsx";
import { CopyCurl } from "../kit/copy.tsx";
import { Icon } from "../kit/icons.tsx";
import { Page } from "../kit/page.tsx";
import { Loaded } from "../kit/states.tsx";
import { type Column, Table, TableSkeleton } from "../kit/table.tsx";
import { Time } from "../kit/time.tsx";

type Session = components["schemas"]["SessionShown"];

const BROWSERS: readonly [RegExp, string][] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/Windows/, "Windows"],
  [/Linux/, "Linux"],
];

/** Return the browser and the system in the name that a client gives itself, or that name. */
function deviceOf({ kind, agent }: Session): string {
  if (kind === "token") return t("Token of a script");
  const find = (list: typeof BROWSERS) => list.find(([expression]) => expression.test(agent))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  return browser && system ? t("{browser} on {system}", { browser, system }) : agent || t("Unknown");
}

async function end(session: Session): Promise<void> {
  if (session.is_current) return signOut();
  await adminApi().DELETE("/admin/api/sessions/{session_id}", { params: { path: { session_id: session.id } } });
  invalidate("settings sessions");
  toast(t("The session has ended"), "ok");
}

async function endOthers(): Promise<void> {
  const agreed = await confirm({
    title: t("End all other sessions?"),
    text: t("Other browsers are signed out, and tokens of scripts are refused."),
    action: t("End them"),
    curl: { method: "DELETE", path: "/admin/api/sessions" },
  });
  if (!agreed) return;
  await adminApi().DELETE("/admin/api/sessions");
  invalidate("settings sessions");
  toast(t("Your other sessions have ended"), "ok");
}

const COLUMNS: readonly Column<Session>[] = [
  {
    title: t("Where"),
    render: (session) => (
      <span class="with-icon">
        <Icon name={session.kind === "token" ? "terminal" : "screen"} />
        {deviceOf(session)} {session.is_current && <Badge tone="accent">{t("This one")}</Badge>}
      </span>
    ),
  },
  { title: t("Address"), render: ({ address }) => <code>{address}</code>, wide: true },
  { title: t("Last used"), render: ({ seen_at }) => <Time at={seen_at} />, width: "140px", wide: true },
  { title: t("Began"), render: ({ created_at }) => <Time at={created_at} />, width: "140px", wide: true },
  { title: t("Ends at the latest"), render: ({ ends_at }) => <Time at={ends_at} />, width: "150px", wide: true },
  {
    title: "",
    align: "end",
    width: "110px",
    render: (session) => (
      <Button size="small" onClick={() => end(session)}>
        {session.is_current ? t("Sign out") : t("End")}
      </Button>
    ),
  },
];

/** The screen. */
export default function Sessions() {
  const sessions = useQuery("settings sessions", (signal) => data(adminApi().GET("/admin/api/sessions", { signal })));
  const hasOthers = (sessions.data?.data.length ?? 0) > 1;
  return (
    <Page
      title={t("Sessions")}
      text={t("Where you are signed in. A session ends when it is not used for 12 hours.")}
      actions={
        <>
          <CopyCurl call={{ path: "/admin/api/sessions" }} />
          {hasOthers && <Button onClick={endOthers}>{t("End all others")}</Button>}
        </>
      }
    >
      <Loaded query={sessions} what={t("The sessions could not be loaded")} skeleton={<TableSkeleton columns={COLUMNS} rows={3} />}>
        {(found) => <Table label={t("Sessions")} columns={COLUMNS} rows={found.data} rowKey={({ id }) => id} />}
      </Loaded>
    </Page>
  );
}
