/** The start of a project: a checklist until somebody has seen a notification, then how the project is doing. */

import { useRef } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { useParam } from "../../core/url_state.ts";
import { Button } from "../../kit/button.tsx";
import { Page } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import type { ScreenProps } from "../../screens.ts";
import { Checklist } from "./checklist.tsx";
import { Figures } from "./figures.tsx";
import { Lanes } from "./lanes.tsx";
import { Limits } from "./limits.tsx";
import styles from "./overview.css";
import { isComplete } from "./steps.ts";

/** The checklist turns green by itself, so it asks more often. The figures change every two seconds. */
const CHECKLIST_EVERY_MS = 2000;
const FIGURES_EVERY_MS = 5000;

const loadOverview = (projectId: string, signal?: AbortSignal) => data(projectApi(projectId).GET("/v2/overview", { signal }));

export type Overview = Awaited<ReturnType<typeof loadOverview>>;

export default function OverviewScreen({ projectId }: ScreenProps) {
  useStyles(styles);
  const [chosen, choose] = useParam("checklist");
  const query = useQuery(`${projectId}/overview`, (signal) => loadOverview(projectId, signal), {
    everyMs: chosen === "0" ? FIGURES_EVERY_MS : CHECKLIST_EVERY_MS,
  });
  const isDone = query.data !== undefined && isComplete(query.data.milestones);
  // Who has seen it turn green is not taken away from it.
  const wasOpen = useRef(false);
  const isChecklist = chosen === "1" || (chosen === "" && query.data !== undefined && (!isDone || wasOpen.current));
  wasOpen.current = isChecklist;
  const toggle = (
    <Button kind="quiet" icon={isChecklist ? "overview" : "check"} onClick={() => choose(isChecklist ? "0" : "1")}>
      {isChecklist ? t("Show the figures") : t("Setup checklist")}
    </Button>
  );
  return (
    <Page title={t("Overview")} actions={query.data && toggle}>
      <Loaded query={query} what={t("The overview could not be loaded")} skeleton={<OverviewSkeleton />}>
        {(overview) => (
          <>
            <Lanes projectId={projectId} />
            <Limits projectId={projectId} />
            {isChecklist ? (
              <Checklist projectId={projectId} milestones={overview.milestones} refetch={query.refetch} />
            ) : (
              <Figures projectId={projectId} overview={overview} />
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** The geometry of the figures. */
function OverviewSkeleton() {
  return (
    <div class="overview-skeleton">
      <Skeleton lines={1} height={110} />
      <div class="overview-halves">
        <Skeleton lines={1} height={346} />
        <Skeleton lines={1} height={346} />
      </div>
    </div>
  );
}
