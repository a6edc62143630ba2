/** Each channel besides the inbox: its state, its attempts with what the provider said, and a retry. */

import { projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { channelName, providerName } from "../../core/channels.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Card } from "../../kit/page.tsx";
import { Time } from "../../kit/time.tsx";
import { channelIcon, stateName } from "./names.ts";
import { type ChannelTrace, channels, isOver, mayRetry, type Trace, type TraceStep } from "./trace.ts";

interface CardsProps {
  projectId: string;
  user: string;
  notification: string;
  onChange: () => void;
}

/** The channels that were used, and those that were left out. */
export function ChannelCards({ trace, ...props }: CardsProps & { trace: Trace }) {
  const all = channels(trace);
  const leftOut = all.filter(({ isLeftOut }) => isLeftOut);
  const used = all.filter(({ isLeftOut }) => !isLeftOut);
  return (
    <div class="channel-cards">
      {used.map((each) => (
        <ChannelCard key={each.channel} {...props} entry={each} />
      ))}
      {leftOut.length > 0 && (
        <Card title={t("Not used")}>
          <ul class="left-out">
            {leftOut.map(({ channel, notes }) => (
              <li key={channel}>
                <Icon name={channelIcon(channel)} />
                <span>
                  <strong>{channelName(channel)}</strong> <span class="quiet">{notes[0]?.text}</span>
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
      {all.length === 0 && (
        <Card title={t("Other channels")}>
          <p class="quiet">{t("This notification went to the inbox only: the project has no other channel for it, or the user has no device or address on one.")}</p>
        </Card>
      )}
    </div>
  );
}

function ChannelCard({ entry, projectId, user, notification, onChange }: CardsProps & { entry: ChannelTrace }) {
  const can = useCan();
  const { channel, deliveries, attempts, notes } = entry;

  async function retry(): Promise<void> {
    const path = { user, id: notification, channel };
    await projectApi(projectId).POST("/v2/users/{user}/notifications/{id}/deliveries/{channel}/retry", { params: { path } });
    toast(t("It is sent again"), "ok");
    onChange();
  }

  const call = { method: "POST", path: `/v2/users/${encodeURIComponent(user)}/notifications/${notification}/deliveries/${channel}/retry` };
  return (
    <section class="card channel-card" aria-label={channelName(channel)}>
      <header>
        <h2>
          <Icon name={channelIcon(channel)} /> {channelName(channel)}
        </h2>
        {can("editor") && mayRetry(entry) && (
          <div class="actions">
            <CopyCurl call={call} />
            <Button size="small" icon="retry" onClick={retry}>
              {t("Retry")}
            </Button>
          </div>
        )}
      </header>
      {deliveries.map((step, index) => (
        <Delivery key={index} step={step} isParked={notes.some(({ type }) => type === "parked") && !isOver(step)} />
      ))}
      {attempts.length > 0 && (
        <ul class="attempts">
          {attempts.map((step, index) => (
            <li key={index}>
              <Facts step={step} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Delivery({ step, isParked }: { step: TraceStep; isParked: boolean }) {
  const [word, tone]: [string, Tone] = isParked ? [t("Stopped"), "danger"] : stateName(step.state);
  return (
    <div class="delivery">
      <p class="delivery-head">
        <Status tone={tone} pulse={tone === "accent"}>
          {word}
        </Status>
        {step.provider && <span class="quiet">{providerName(step.provider)}</span>}
        {step.at && <Time at={step.at} />}
      </p>
      <p>{step.text}</p>
    </div>
  );
}

/** What is known of one destination: code, attempts, and when it is tried again. */
function Facts({ step }: { step: TraceStep }) {
  const [word, tone] = stateName(step.state);
  return (
    <>
      <p>{step.text}</p>
      <p class="facts small">
        <Status tone={tone}>{word}</Status>
        {step.code && <code title={t("The code of the provider, or of the gateway")}>{step.code}</code>}
        {step.attempts !== null && <span>{plural(step.attempts, "{n} attempt", "{n} attempts")}</span>}
        {step.at && <Time at={step.at} />}
        {step.next_at && step.state !== "delivered" && (
          <span>
            {t("next try")} <Time at={step.next_at} />
          </span>
        )}
      </p>
    </>
  );
}
