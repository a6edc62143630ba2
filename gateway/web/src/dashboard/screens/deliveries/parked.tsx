/** Channels whose deliveries wait, because the provider refuses the configuration. */

import { data, projectApi } from "../../core/api.ts";
import { channelName } from "../../core/channels.ts";
import { toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Note } from "../../kit/page.tsx";
import { Time } from "../../kit/time.tsx";

const AGAIN_MS = 15_000;

/** A message for each lane that is parked. */
export function ParkedLanes({ projectId }: { projectId: string }) {
  const can = useCan();
  const load = (signal: AbortSignal) => data(projectApi(projectId).GET("/v2/delivery/lanes", { signal }));
  const lanes = useQuery(`${projectId} lanes`, load, { everyMs: AGAIN_MS });
  const parked = (lanes.data?.data ?? []).filter((lane) => lane.state === "parked");

  async function resume(lane: string): Promise<void> {
    await projectApi(projectId).POST("/v2/delivery/lanes/{lane}/resume", { params: { path: { lane } } });
    toast(t("The deliveries continue"), "ok");
    lanes.refetch();
  }

  return (
    <>
      {parked.map((lane) => (
        <Note key={lane.lane} tone="danger">
          <div class="parked">
            <div>
              <p>
                <strong>{t("{lane} is stopped", { lane: channelName(lane.lane) })}</strong> {lane.parked_at && <Time at={lane.parked_at} />}
              </p>
              <p class="quiet">
                {t("The provider refuses the configuration: {reason}.", { reason: lane.reason ?? "" })} {lane.waiting > 0 && `${plural(lane.waiting, "{n} user is waiting.", "{n} users are waiting.")} `}
                {t("Nothing is lost.")}
              </p>
            </div>
            {can("admin") && (
              <div class="actions">
                <Button size="small" href={`projects/${projectId}/channels`}>
                  {t("Open channels")}
                </Button>
                <Button size="small" icon="play" onClick={() => resume(lane.lane)}>
                  {t("Resume")}
                </Button>
              </div>
            )}
          </div>
        </Note>
      ))}
    </>
  );
}
