/** What the project uses of its limits. A project without any has no such card. */

import { t } from "../../core/text.ts";
import { CopyCurl } from "../../kit/copy.tsx";
import { Card } from "../../kit/page.tsx";
import { LimitBars, useLimits } from "../../parts/limits/limits.tsx";

export function UsedLimits({ projectId }: { projectId: string }) {
  const { data: limits } = useLimits(projectId);
  const set = (limits ?? []).filter(({ limit }) => limit !== null);
  if (!set.length) return null;
  return (
    <Card title={t("Limits")} text={t("What is used of the limits of this project.")} actions={<CopyCurl call={{ path: "/v2/limits" }} />}>
      <LimitBars limits={set} />
    </Card>
  );
}
