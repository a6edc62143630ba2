/** Deliveries by channel: how many ended, and how. */

import { number, percent } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { Chart } from "../../kit/chart.tsx";
import { Card } from "../../kit/page.tsx";
import { type Column, Table } from "../../kit/table.tsx";
import { channelName } from "../../core/channels.ts";
import { type Period, channelsOf, usageOf } from "./periods.ts";

interface Row {
  readonly channel: string;
  readonly ended: number;
  readonly failed: number;
  readonly delivered: number;
}

export interface DeliveriesProps {
  readonly periods: readonly Period[];
  readonly common: { times: readonly number[]; formatTime: (seconds: number) => string; kind: "bars" };
}

export function Deliveries({ periods, common }: DeliveriesProps) {
  const channels = channelsOf(periods);
  if (channels.length === 0) {
    return <Card title={t("Deliveries by channel")} text={t("No delivery by email, push, chat or SMS has ended in this time. The inbox is not one of these channels.")} />;
  }
  const sum = (of: (period: Period) => number) => periods.reduce((total, period) => total + of(period), 0);
  const rows = channels.map((channel) => ({
    channel,
    ended: sum((period) => usageOf(period, channel).ended),
    failed: sum((period) => usageOf(period, channel).failed),
    delivered: sum(({ deliveries }) => deliveries.find((each) => each.channel === channel)?.states.delivered ?? 0),
  }));
  const all = (name: "ended" | "failed") => periods.map((period) => channels.reduce((total, channel) => total + usageOf(period, channel)[name], 0));
  const columns: Column<Row>[] = [
    { title: t("Channel"), render: ({ channel }) => channelName(channel) },
    { title: t("Ended"), align: "end", render: ({ ended }) => number(ended) },
    { title: t("Delivered"), align: "end", render: ({ delivered }) => number(delivered) },
    { title: t("Failed"), align: "end", render: ({ failed }) => <span class={failed ? "usage-failed" : ""}>{number(failed)}</span> },
    { title: t("Failure rate"), align: "end", wide: true, render: ({ failed, ended }) => (ended ? percent(failed / ended) : "–") },
  ];
  return (
    <Card title={t("Deliveries by channel")} text={t("Deliveries that ended: delivered, failed, or left out by a rule or a choice of the user.")}>
      <Chart
        {...common}
        label={t("Deliveries")}
        series={[
          { label: t("Ended"), tone: "ok", values: all("ended") },
          { label: t("Failed"), tone: "danger", values: all("failed") },
        ]}
        summary="total"
      />
      <Table label={t("Deliveries by channel")} columns={columns} rows={rows} rowKey={({ channel }) => channel} />
    </Card>
  );
}
