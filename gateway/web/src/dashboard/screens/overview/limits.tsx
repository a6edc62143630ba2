/** Limits that are nearly used up, or reached. Nothing is shown otherwise. */

import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Note } from "../../kit/page.tsx";
import { limitName, limitText, useLimits } from "../../parts/limits/limits.tsx";

export function Limits({ projectId }: { projectId: string }) {
  const { data: limits } = useLimits(projectId);
  const near = (limits ?? []).filter(({ state }) => state === "warning" || state === "reached");
  return (
    <>
      {near.map((limit) => (
        <Note key={limit.name} tone={limit.state === "reached" ? "danger" : "warning"}>
          <div class="lane">
            <div>
              <b>
                {limit.state === "reached"
                  ? t("A limit is reached: {name}", { name: limitName(limit.name) })
                  : t("A limit is nearly reached: {name}", { name: limitName(limit.name) })}
              </b>
              <p>
                {limitText(limit)}. {limit.state === "reached" ? t("Requests beyond it are refused.") : t("Requests beyond it will be refused.")}
              </p>
            </div>
            <div class="lane-actions">
              <Button size="small" href={`settings/projects/${projectId}`}>
                {t("Open limits")}
              </Button>
            </div>
          </div>
        </Note>
      ))}
    </>
  );
}
