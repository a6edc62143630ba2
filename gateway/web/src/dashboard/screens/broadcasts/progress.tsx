/** The progress of a broadcast: a bar that moves while it is sent. */

import { useEffect, useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { number, percent } from "../../core/format.ts";
import { invalidate, type Query, useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { statusName, statusTone } from "../../parts/sent/words.ts";
import { isRunning } from "./broadcast.ts";

const EVERY_MS = 1000;
const ENDED_EVERY_MS = 5000; // who got it in the last steps of a cancelled broadcast is counted after it ended

export type Detail = components["schemas"]["SentDetail"];

/** Return what became of a broadcast so far, which is loaded again and again. When it ends, the lists are loaded again. */
export function useProgress(projectId: string, id: string, initial: string): Query<Detail> {
  const [status, setStatus] = useState(initial);
  const query = useQuery(
    `${projectId} progress ${id}`,
    (signal) => data(projectApi(projectId).GET("/v2/sent/{notification_id}", { params: { path: { notification_id: id } }, signal })),
    { everyMs: isRunning(status) ? EVERY_MS : ENDED_EVERY_MS, keep: true },
  );
  const latest = query.data?.status ?? initial;
  useEffect(() => {
    setStatus(latest);
    if (isRunning(status) && !isRunning(latest)) invalidate(`${projectId} broadcasts`);
  }, [latest]);
  return query;
}

/** The bar of a row, which follows its broadcast. */
export function ProgressCell({ projectId, id, initial }: { projectId: string; id: string; initial: string }) {
  const { data: detail } = useProgress(projectId, id, initial);
  return <Progress detail={detail} status={detail?.status ?? initial} small />;
}

/** The status, how many users were reached, and the bar. */
export function Progress({ detail, status, small }: { detail: Detail | undefined; status: string; small?: boolean }) {
  const share = (detail?.progress_percent ?? (status === "processed" ? 100 : 0)) / 100;
  const reached = detail?.recipients ?? 0;
  return (
    <div class="progress-line">
      <div>
        <Status tone={statusTone(status)} pulse={status === "processing"}>
          {statusName(status)}
        </Status>
        <span class="quiet">{small ? percent(share, 0) : plural(reached, "{n} user reached", "{n} users reached")}</span>
      </div>
      <Bar share={share} tone={statusTone(status)} label={t("{percent} of the audience, {n} reached", { percent: percent(share, 0), n: number(reached) })} />
    </div>
  );
}

function Bar({ share, tone, label }: { share: number; tone: string; label: string }) {
  const fill = (element: HTMLElement | null) => void element?.style.setProperty("inline-size", `${Math.max(2, 100 * share)}%`);
  return (
    <div class={`progress ${tone}`} role="progressbar" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(100 * share)} aria-valuetext={label} aria-label={t("Progress")}>
      <span ref={fill} />
    </div>
  );
}
