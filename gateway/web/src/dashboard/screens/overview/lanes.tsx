/** Deliveries that wait: a channel whose provider refuses the configuration, until somebody corrects it. */

import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Note } from "../../kit/page.tsx";
import { Time } from "../../kit/time.tsx";
import { channelName } from "../../core/channels.ts";

const EVERY_MS = 10_000;

export function Lanes({ projectId }: { projectId: string }) {
  const can = useCan();
  const { data: lanes } = useQuery(
    `${projectId}/lanes`,
    (signal) => data(projectApi(projectId).GET("/v2/delivery/lanes", { signal })),
    { everyMs: EVERY_MS },
  );
  async function resume(lane: string): Promise<void> {
    await data(projectApi(projectId).POST("/v2/delivery/lanes/{lane}/resume", { params: { path: { lane } } }));
    toast(t("{lane} is sent again", { lane: channelName(lane) }), "ok");
    invalidate(`${projectId}/lanes`);
  }
  const stopped = (lanes?.data ?? []).filter(({ state }) => state === "parked" || state === "failing");
  return (
    <>
      {stopped.map(({ lane, state, waiting, reason, parked_at: since, failures }) => (
        <Note key={lane} tone={state === "parked" ? "danger" : "warning"}>
          <div class="lane">
            <div>
              <b>{state === "parked" ? t("{lane} is stopped", { lane: channelName(lane) }) : t("{lane} is failing", { lane: channelName(lane) })}</b>
              <p>
                {state === "parked"
                  ? t("The provider refuses the configuration: {reason}.", { reason: reason ?? "?" })
                  : plural(failures, "The last attempt failed. It is tried again by itself.", "The last {n} attempts failed. It is tried again by itself.")}{" "}
                {plural(waiting, "{n} user is waiting.", "{n} users are waiting.")}
                {since && (
                  <>
                    {" "}
                    {t("Stopped")} <Time at={since} />.
                  </>
                )}
              </p>
            </div>
            <div class="lane-actions">
              <Button size="small" href={`projects/${projectId}/channels`}>
                {t("Open channels")}
              </Button>
              {state === "parked" && can("admin") && (
                <Button size="small" kind="primary" onClick={() => resume(lane)}>
                  {t("Resume")}
                </Button>
              )}
            </div>
          </div>
        </Note>
      ))}
    </>
  );
}
