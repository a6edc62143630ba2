/** The stages on the way to the inbox, side by side: which were passed, and where it ended. */

import { data, projectApi } from "../../core/api.ts";
import { clock, dateTime } from "../../core/format.ts";
import { useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { Icon, type IconName } from "../../kit/icons.tsx";
import { stageName } from "./names.ts";
import { type Stage, type StageState, stages, type Trace } from "./trace.ts";

const ICONS: Record<StageState, IconName> = { done: "check", stopped: "close", waiting: "clock", unknown: "more", missed: "more" };

/** The rail. Whether it was pushed is not recorded, so that stage has whether the user is online now. */
export function Rail({ projectId, user, trace }: { projectId: string; user: string; trace: Trace }) {
  const connections = useQuery(`${projectId} connections ${user}`, (signal) =>
    data(projectApi(projectId).GET("/v2/users/{user}/connections", { params: { path: { user } }, signal })),
  );
  const online = connections.data?.total ?? 0;
  return (
    <section class="card rail-card" aria-label={t("The way to the inbox")}>
      <h2>{t("The way to the inbox")}</h2>
      <ol class="rail">
        {stages(trace).map((stage) => (
          <li key={stage.name} class={`stage ${stage.state}`}>
            <span class="stage-mark" aria-hidden="true">
              <Icon name={ICONS[stage.state]} size={14} />
            </span>
            <span class="stage-name">{stageName(stage.name)}</span>
            <StageNote stage={stage} online={online} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function StageNote({ stage, online }: { stage: Stage; online: number }) {
  const words: Record<StageState, string> = {
    done: stage.name === "rules" ? t("allowed") : t("yes"),
    stopped: t("stopped here"),
    waiting: t("not yet"),
    unknown: t("not recorded"),
    missed: "",
  };
  if (stage.at !== null && stage.state === "done") {
    return (
      <time class="stage-note" dateTime={stage.at} title={dateTime(stage.at)}>
        {clock(stage.at)}
      </time>
    );
  }
  const isOnline = stage.name === "pushed" && stage.state === "unknown" && online > 0;
  return (
    <span class="stage-note" title={stage.text || undefined}>
      {isOnline ? plural(online, "{n} inbox open now", "{n} inboxes open now") : words[stage.state]}
    </span>
  );
}
