/** What the project has used: active users, sends, deliveries and storage, by month and by day. */

import { data, projectApi } from "../../core/api.ts";
import { number, percent } from "../../core/format.ts";
import { useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Chart } from "../../kit/chart.tsx";
import { Card, Page, Stat, Stats } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { Tabs, useTab } from "../../kit/tabs.tsx";
import type { ScreenProps } from "../../screens.ts";
import { Deliveries } from "./deliveries.tsx";
import { download } from "./download.ts";
import { type Period, periodCsv, periodName, periodsOf } from "./periods.ts";
import { UsedLimits } from "./limits.tsx";
import { Storage } from "./storage.tsx";
import styles from "./usage.css";

const MONTHS = 12;
const DAYS = 30;

const loadUsage = (projectId: string, signal: AbortSignal) =>
  data(projectApi(projectId).GET("/v2/usage", { params: { query: { months: MONTHS, days: DAYS } }, signal }));

export type Usage = Awaited<ReturnType<typeof loadUsage>>;

export default function UsageScreen({ projectId }: ScreenProps) {
  useStyles(styles);
  const tabs = [
    { id: "months", label: t("By month") },
    { id: "days", label: t("By day") },
  ];
  const [unit, choose] = useTab(tabs, "by");
  const query = useQuery(`${projectId}/usage`, (signal) => loadUsage(projectId, signal), { everyMs: 60_000 });
  return (
    <Page
      title={t("Usage")}
      text={t("Counted as it happens, in UTC. Months are kept for 25 months, days for 100 days.")}
      actions={
        <>
          <CopyCurl call={{ path: "/v2/usage", query: { months: MONTHS, days: DAYS } }} />
          <Button icon="download" disabled={!query.data} onClick={() => query.data && save(query.data, unit)}>
            {t("CSV")}
          </Button>
        </>
      }
    >
      <Loaded query={query} what={t("The usage could not be loaded")} skeleton={<UsageSkeleton />}>
        {(usage) => (
          <>
            <ThisMonth usage={usage} />
            <Tabs segmented label={t("Period")} tabs={tabs} value={unit} onChange={choose} />
            <Charts usage={usage} unit={unit} />
            <UsedLimits projectId={projectId} />
            <Storage projectId={projectId} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function save(usage: Usage, unit: string): void {
  download(`usage-${unit}.csv`, "text/csv", periodCsv(periodsOf(usage, unit)));
}

/** The present month, beside the one before. */
function ThisMonth({ usage }: { usage: Usage }) {
  const [before, now] = usage.months.slice(-2);
  if (!now || !before) return null;
  const last = (value: number) => t("{n} last month", { n: number(value) });
  const failed = (month: typeof now) => month.deliveries.reduce((sum, each) => sum + each.failed, 0);
  const share = percent(usage.active_users_standard_error, 2);
  return (
    <Stats>
      <Stat label={t("Active users this month")} value={number(now.active_users)} note={t("±{share}, {before}", { share, before: last(before.active_users) })} />
      <Stat label={t("Requests to send")} value={number(now.sends)} note={last(before.sends)} />
      <Stat label={t("Stored in inboxes")} value={number(now.stored)} note={last(before.stored)} />
      <Stat label={t("Failed deliveries")} value={number(failed(now))} tone={failed(now) ? "danger" : undefined} note={last(failed(before))} />
    </Stats>
  );
}

function Charts({ usage, unit }: { usage: Usage; unit: string }) {
  const periods = periodsOf(usage, unit);
  const times = periods.map(({ time }) => time);
  const column = (of: (period: Period) => number | null) => periods.map(of);
  const formatTime = (seconds: number) => periodName(seconds, unit);
  const common = { times, formatTime, kind: "bars" as const };
  return (
    <>
      {unit === "months" && (
        <Card title={t("Active users")} text={t("Each person counts once a month. An estimate with a standard error of {share}.", { share: percent(usage.active_users_standard_error, 2) })}>
          <Chart {...common} label={t("Active users by month")} series={[{ label: t("Active users"), values: column(({ activeUsers }) => activeUsers) }]} summary="last" />
        </Card>
      )}
      <div class="usage-halves">
        <Card title={t("Stored in inboxes")} text={t("A notification counts once for each of its users.")}>
          <Chart {...common} label={t("Stored in inboxes")} series={[{ label: t("Stored"), values: column(({ stored }) => stored) }]} summary="total" />
        </Card>
        <Card title={t("Requests to send")} text={t("One request may reach many users.")}>
          <Chart {...common} label={t("Requests to send")} series={[{ label: t("Requests"), values: column(({ sends }) => sends) }]} summary="total" />
        </Card>
      </div>
      <Deliveries periods={periods} common={common} />
    </>
  );
}

function UsageSkeleton() {
  return (
    <>
      <Skeleton lines={1} height={96} />
      <Skeleton lines={1} height={320} />
    </>
  );
}
