/** Months and days as rows of charts, tables and CSV. */

import { type Cell, csv } from "../../core/csv.ts";
import { textLanguage } from "../../core/text.ts";

export interface ChannelUsage {
  readonly channel: string;
  readonly ended: number;
  readonly failed: number;
  readonly states: Readonly<Record<string, number>>;
}

export interface Period {
  /** "2026-11" or "2026-11-30". */
  readonly name: string;
  /** Its beginning in unix seconds. */
  readonly time: number;
  /** Null for a day, for which nobody counts them. */
  readonly activeUsers: number | null;
  readonly sends: number;
  readonly broadcasts: number;
  readonly stored: number;
  readonly suppressed: number;
  readonly deliveries: readonly ChannelUsage[];
}

type Counts = Pick<Period, "sends" | "broadcasts" | "stored" | "suppressed" | "deliveries">;

/** What `GET /v2/usage` returns, as far as it matters here. */
export interface UsageAnswer {
  readonly months: readonly (Counts & { readonly month: string; readonly active_users: number })[];
  readonly days: readonly (Counts & { readonly day: string })[];
}

const startOf = (name: string) => Date.parse(`${name}${name.length === 7 ? "-01" : ""}T00:00:00Z`) / 1000;

/** Return the months, or the days. */
export function periodsOf({ months, days }: UsageAnswer, unit: string): Period[] {
  if (unit === "days") return days.map((day) => ({ ...day, name: day.day, time: startOf(day.day), activeUsers: null }));
  return months.map((month) => ({ ...month, name: month.month, time: startOf(month.month), activeUsers: month.active_users }));
}

/** Return the name of the month or the day that begins at a time: "Nov 2026", "Nov 30". */
export function periodName(seconds: number, unit: string): string {
  const parts = unit === "days" ? ({ month: "short", day: "numeric" } as const) : ({ year: "numeric", month: "short" } as const);
  return new Intl.DateTimeFormat(textLanguage(), { ...parts, timeZone: "UTC" }).format(1000 * seconds);
}

/** Return the channels that have any delivery, by name. */
export function channelsOf(periods: readonly Period[]): string[] {
  return [...new Set(periods.flatMap(({ deliveries }) => deliveries.map(({ channel }) => channel)))].sort();
}

/** Return the deliveries of a channel in a period. */
export function usageOf({ deliveries }: Period, channel: string): Pick<ChannelUsage, "ended" | "failed"> {
  return deliveries.find((each) => each.channel === channel) ?? { ended: 0, failed: 0 };
}

/** Return the periods as CSV: a row each, with two columns for each channel. Names are those of the API. */
export function periodCsv(periods: readonly Period[]): string {
  const channels = channelsOf(periods);
  const monthly = periods.some(({ activeUsers }) => activeUsers !== null);
  const counts = ["sends", "broadcasts", "stored", "suppressed"] as const;
  const head: Cell[] = ["period", ...(monthly ? ["active_users"] : []), ...counts];
  const rows = periods.map((period): Cell[] => [
    period.name,
    ...(monthly ? [period.activeUsers] : []),
    ...counts.map((name) => period[name]),
    ...channels.flatMap((channel) => [usageOf(period, channel).ended, usageOf(period, channel).failed]),
  ]);
  return csv([[...head, ...channels.flatMap((channel) => [`${channel}_ended`, `${channel}_failed`])], ...rows]);
}
