/** The progress of a broadcast: a bar that moves while it is sent. */

import { useEffect } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { number, percent } from "../../core/format.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { statusName, statusTone } from "../../parts/sent/words.ts";
import { isRunning } from "./broadcast.ts";

const EVERY_MS = 1000;

/** The bar with the status and the number of users who were reached. When it ends, the lists are loaded again. */
export function Progress({ projectId, id, small }: { projectId: string; id: string; small?: boolean }) {
  const query = useQuery(
    `${projectId} progress ${id}`,
    (signal) => data(projectApi(projectId).GET("/v2/sent/{notification_id}", { params: { path: { notification_id: id } }, signal })),
    { everyMs: EVERY_MS, keep: true },
  );
  const status = query.data?.status ?? "enqueued";
  const isEnded = !isRunning(status);
  useEffect(() => {
    if (isEnded) invalidate(`${projectId} broadcasts`);
  }, [isEnded]);
  const share = (query.data?.progress_percent ?? 0) / 100;
  const reached = query.data?.recipients ?? 0;
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
