/** How the project is doing now: figures, charts and the latest failures. */

import { data, projectApi } from "../../core/api.ts";
import { clock, number, percent } from "../../core/format.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Chart } from "../../kit/chart.tsx";
import { Card, Stat, Stats } from "../../kit/page.tsx";
import { Failure, Skeleton } from "../../kit/states.tsx";
import { withinMinutes } from "./series.ts";
import { Failures } from "./failures.tsx";
import { Health } from "./health.tsx";
import type { Overview } from "./index.tsx";

const CHARTS_EVERY_MS = 10_000;

const TRANSPORTS: Record<string, string> = { websocket: "WebSocket", sse: "SSE", sse_http10: "SSE (HTTP/1.0)", long_poll: "Long polling" };

export function Figures({ projectId, overview }: { projectId: string; overview: Overview }) {
  const { connections, sends, stored, failures, active_users: active } = overview;
  const used = Object.entries(connections.by_transport).filter(([, count]) => count > 0);
  const transports = used.map(([name, count]) => `${TRANSPORTS[name] ?? name} ${number(count)}`).join(" · ");
  return (
    <>
      <Stats>
        <Stat label={t("Connections")} value={number(connections.total)} note={transports || t("No page is open")} href={`projects/${projectId}/live?show=connections`} />
        <Stat label={t("Sent in the last minute")} value={number(sends.last_minute)} note={t("{n} in the last hour", { n: number(sends.last_hour) })} href={`projects/${projectId}/notifications`} />
        <Stat
          label={t("Failures in the last hour")}
          value={number(failures.last_hour)}
          tone={failures.last_hour > 0 ? "danger" : undefined}
          note={failures.last_hour > 0 ? t("Deliveries that reached nobody") : t("{n} stored in inboxes", { n: number(stored.last_hour) })}
          href={`projects/${projectId}/live?type=delivery.ended`}
        />
        <Stat
          label={t("Active users this month")}
          value={number(active.count)}
          note={t("±{share}", { share: percent(active.standard_error, 2) })}
          href={`projects/${projectId}/usage`}
        />
      </Stats>
      <Charts projectId={projectId} />
      <div class="overview-halves">
        <Failures projectId={projectId} failures={overview.latest_failures} />
        <Health />
      </div>
    </>
  );
}

function Charts({ projectId }: { projectId: string }) {
  const query = useQuery(
    `${projectId}/minutes`,
    (signal) => data(projectApi(projectId).GET("/v2/usage/minutes", { params: { query: { hours: 1 } }, signal })),
    { everyMs: CHARTS_EVERY_MS, keep: true },
  );
  return (
    <div class="overview-halves">
      <Card title={t("Sent and delivered")} text={t("By minute, the last hour")}>
        <Minutes query={query} label={t("Sent and delivered by minute")} names={SENT} />
      </Card>
      <Card title={t("Connections")} text={t("By minute, the last hour")}>
        <Minutes query={query} label={t("Connections by minute")} names={CONNECTED} />
      </Card>
    </div>
  );
}

const SENT = () =>
  [
    ["stored", t("In inboxes"), "accent"],
    ["deliveries", t("On channels"), "ok"],
    ["failures", t("Failures"), "danger"],
  ] as const;
const CONNECTED = () => [["connections", t("Connections"), "accent"]] as const;

type Minutes = { start: string; step_seconds: number; series: Record<string, number[]> };

function Minutes({ query, label, names }: { query: Query<Minutes>; label: string; names: typeof SENT | typeof CONNECTED }) {
  if (query.error && !query.data) return <Failure error={query.error} retry={query.refetch} />;
  if (!query.data) return <div class="chart-space">{query.loading && <Skeleton lines={1} height={200} />}</div>;
  const { series } = query.data;
  const known = names().map(([name, title, tone]) => ({ label: title, tone, values: series[name] ?? [] }));
  const counts = known.length > 1;
  const shown = known.filter(({ tone, values }) => tone !== "danger" || values.some((value) => value > 0)); // no red line without a failure
  return <Chart label={label} times={withinMinutes(query.data)} series={shown} formatTime={(seconds) => clock(seconds).slice(0, 5)} summary={counts ? "total" : "last"} />;
}
