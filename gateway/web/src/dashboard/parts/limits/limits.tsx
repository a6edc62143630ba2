/** The limits of a project, each with a bar of its use. */

import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { bytes, number, percent } from "../../core/format.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import css from "./limits.css";

export type LimitUse = components["schemas"]["LimitUse"];

/** Return the limits of a project with their use, loaded again from time to time. With `all`, the use of what has none, too. */
export function useLimits(projectId: string, all = false): Query<readonly LimitUse[]> {
  const params = { query: all ? { all } : {} };
  return useQuery(`${projectId}/limits ${all}`, async (signal) => (await data(projectApi(projectId).GET("/v2/limits", { params, signal }))).data, {
    everyMs: 10_000,
    keep: true,
  });
}

/** Return what a limit is of. */
export function limitName(name: string): string {
  switch (name) {
    case "max_users":
      return t("Users");
    case "max_storage_bytes":
      return t("Storage");
    case "max_sends_per_minute":
      return t("Requests to send in a minute");
    case "max_sends_per_month":
      return t("Requests to send in a month");
    default:
      return name;
  }
}

const shown = (name: string, value: number | null) => (name === "max_storage_bytes" ? bytes(value ?? 0) : number(value ?? 0));

/** Return what is used of a limit: "812 of 1,000 (81%)", or what is used alone. */
export function limitText({ name, limit, used, share }: LimitUse): string {
  if (limit === null) return t("{used}, no limit", { used: shown(name, used) });
  return t("{used} of {limit} ({share})", { used: shown(name, used), limit: shown(name, limit), share: percent(share ?? 0, 0) });
}

/** The limits, with a bar for each that is set. */
export function LimitBars({ limits }: { limits: readonly LimitUse[] }) {
  useStyles(css);
  return (
    <ul class="limits">
      {limits.map((each) => (
        <li key={each.name}>
          <div class="limit-head">
            <span>{limitName(each.name)}</span>
            <span class="quiet">{limitText(each)}</span>
          </div>
          {each.limit !== null && <LimitBar use={each} />}
        </li>
      ))}
    </ul>
  );
}

function LimitBar({ use }: { use: LimitUse }) {
  const share = Math.min(1, use.share ?? 0);
  const fill = (element: HTMLElement | null) => void element?.style.setProperty("inline-size", `${100 * share}%`);
  return (
    <div
      class={`limit-bar ${use.state}`}
      role="meter"
      aria-label={limitName(use.name)}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * share)}
      aria-valuetext={limitText(use)}
    >
      <span ref={fill} />
    </div>
  );
}
