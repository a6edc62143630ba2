/** The card of a provider: its state at a glance, and the way to its configuration. */

import { projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { withParams } from "../../core/url_state.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Time } from "../../kit/time.tsx";
import type { ProviderInfo } from "./providers.ts";
import type { ProviderState } from "./state.ts";

/** Return the word for a state, and its colour. */
export function stateWord(state: ProviderState, provider: ProviderInfo): [string, Tone] {
  if (state.kind === "unused") return provider.ready ? [t("Ready"), "neutral"] : [t("Not configured"), "neutral"];
  return { works: [t("Configured"), "ok"], failing: [t("Failing"), "warning"], stopped: [t("Stopped"), "danger"] }[state.kind] as [string, Tone];
}

/** Send again what waits on the lane of a provider. */
export async function resume(projectId: string, lane: string): Promise<void> {
  await projectApi(projectId).POST("/v2/delivery/lanes/{lane}/resume", { params: { path: { lane } } });
  toast(t("The deliveries continue"), "ok");
}

/** The card. */
export function ProviderCard({ projectId, provider, state, onChange }: { projectId: string; provider: ProviderInfo; state: ProviderState; onChange: () => void }) {
  const can = useCan();
  const [word, tone] = stateWord(state, provider);
  const { lane, lastFailure } = state;
  return (
    <article class={`card provider ${state.kind}`}>
      <header>
        <h3>
          <Icon name={provider.icon} /> <a href={withParams({ integration: provider.name })}>{provider.title}</a>
        </h3>
        <Status tone={tone}>{word}</Status>
      </header>
      <p class="quiet small">{provider.text}</p>
      {state.kind === "stopped" && lane && (
        <div class="provider-trouble">
          <p>
            {t("The provider refuses the configuration: {reason}.", { reason: lane.reason ?? "" })} {lane.waiting > 0 && plural(lane.waiting, "{n} user is waiting.", "{n} users are waiting.")}
          </p>
          {can("admin") && (
            <Button
              size="small"
              icon="play"
              onClick={async () => {
                await resume(projectId, lane.lane);
                onChange();
              }}
            >
              {t("Resume")}
            </Button>
          )}
        </div>
      )}
      {state.kind === "failing" && lane && <p class="small">{plural(lane.failures, "It has failed {n} time in a row, and is tried again.", "It has failed {n} times in a row, and is tried again.")}</p>}
      {state.kind === "works" && lane && lane.waiting > 0 && <p class="small">{plural(lane.waiting, "Messages to {n} user are waiting.", "Messages to {n} users are waiting.")}</p>}
      {lastFailure && state.kind !== "unused" && (
        <p class="small quiet">
          {t("Last failure")}: <a href={`projects/${projectId}/deliveries?user=${lastFailure.user?.id ?? ""}&notification=${lastFailure.notification_id}`}>{lastFailure.reason ?? lastFailure.state}</a>{" "}
          <Time at={lastFailure.timestamp} />
        </p>
      )}
    </article>
  );
}
