/** All steps of a trace in the order of their times. */

import { clock, dateOnly, dateTime } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { channelName } from "../../core/channels.ts";
import { Card } from "../../kit/page.tsx";
import { Icon } from "../../kit/icons.tsx";
import { stepIcon } from "./names.ts";
import { hasFailed, type Trace, type TraceStep } from "./trace.ts";

function tone(step: TraceStep): string {
  if (hasFailed(step.state) || step.type === "parked" || step.type === "reported") return "danger";
  if (step.type === "suppressed" || step.type === "left_out" || step.state === "skipped" || step.state === "retry") return "warning";
  if (["stored", "read", "seen"].includes(step.type) || step.state === "delivered") return "ok";
  return "neutral";
}

/** The timeline. What has no time, such as the present preferences, stands beside what it explains. */
export function Timeline({ trace }: { trace: Trace }) {
  let day = "";
  return (
    <Card title={t("Step by step")} text={t("In your time zone. Preferences and rules are the current ones.")}>
      <ol class="timeline">
        {trace.steps.map((step, index) => {
          const date = step.at === null ? day : dateOnly(step.at);
          const isNewDay = date !== day;
          day = date;
          return (
            <li key={index} class={`trace-step ${tone(step)}`}>
              <span class="step-mark">
                <Icon name={stepIcon(step.type)} size={14} />
              </span>
              <div>
                <p>{step.text}</p>
                <p class="quiet small">
                  {step.at === null ? (
                    t("as of now")
                  ) : (
                    <time dateTime={step.at} title={dateTime(step.at)}>
                      {isNewDay ? `${date}, ${clock(step.at)}` : clock(step.at)}
                    </time>
                  )}
                  {step.channel && ` · ${channelName(step.channel)}`}
                </p>
              </div>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}
