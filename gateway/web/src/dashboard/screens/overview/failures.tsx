/** The latest deliveries that failed. Each leads to its trace. */

import { t } from "../../core/text.ts";
import { Badge } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Card } from "../../kit/page.tsx";
import { Time } from "../../kit/time.tsx";
import { channelName, providerName } from "../../core/channels.ts";

export interface FailedDelivery {
  readonly failed_at: string;
  readonly user_id: string;
  readonly notification_id: string;
  readonly channel: string;
  readonly provider: string | null;
  readonly state: string;
  readonly reason: string | null;
}

const STATES: Record<string, () => string> = {
  refused: () => t("Refused"),
  dead: () => t("Destination gone"),
  failed: () => t("Failed"),
  unknown: () => t("No answer"),
};

export function Failures({ projectId, failures }: { projectId: string; failures: readonly FailedDelivery[] }) {
  const all = (
    <Button kind="quiet" size="small" href={`projects/${projectId}/live?type=delivery.ended`}>
      {t("All deliveries")}
    </Button>
  );
  return (
    <Card title={t("Latest failures")} actions={failures.length > 0 && all} flush>
      {failures.length === 0 ? (
        <p class="all-well quiet">{t("No delivery has failed. Failures of email, push, chat and SMS appear here.")}</p>
      ) : (
        <ul class="failure-list">
          {failures.map((failure) => (
            <Row key={`${failure.failed_at} ${failure.user_id} ${failure.channel}`} projectId={projectId} failure={failure} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Row({ projectId, failure }: { projectId: string; failure: FailedDelivery }) {
  const { channel, provider, state, reason, user_id: user, notification_id: notification } = failure;
  return (
    <li>
      <a href={`projects/${projectId}/deliveries?user=${user}&notification=${notification}`}>
        <Badge tone={state === "unknown" ? "warning" : "danger"}>{STATES[state]?.() ?? state}</Badge>
        <span class="what">
          <b>{channelName(channel)}</b> {[provider && providerName(provider), reason].filter(Boolean).join(": ")}
        </span>
        <Time at={failure.failed_at} />
      </a>
    </li>
  );
}
