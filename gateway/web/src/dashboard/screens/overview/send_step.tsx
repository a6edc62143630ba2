/** The first step: a notification is sent, by the developer's own request or by the dashboard. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Code, Copy } from "../../kit/copy.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { type Hint, seenReasons } from "./reasons.ts";
import { type Place, firstNotification, sendCommand } from "./snippets.ts";

export interface SendStepProps {
  readonly projectId: string;
  readonly place: Place;
  readonly setUser: (user: string) => void;
  readonly refetch: () => void;
  readonly hints: readonly Hint[];
}

export function SendStep({ projectId, place, setUser, refetch, hints }: SendStepProps) {
  const can = useCan();
  const [sent, setSent] = useState(false);
  async function send(): Promise<void> {
    await data(projectApi(projectId).POST("/notifications", { body: firstNotification(place.user) }));
    setSent(true);
    setTimeout(refetch, 1500); // milestones are written once a second
  }
  const reasons = sent || hints.length ? seenReasons(hints) : [];
  return (
    <>
      <div class="keys-line">
        <span>
          {t("API key")} <Copy text={place.apiKey} label={t("Copy the API key")} />
        </span>
        <span>
          {t("API secret")} <code>$API_SECRET</code> {can("admin") && <a href={`projects/${projectId}/keys`}>{t("Show it under Keys")}</a>}
        </span>
      </div>
      <TextInput label={t("Send it to the user")} value={place.user} onValue={setUser} maxLength={255} mono />
      <Code text={sendCommand(place)} label={t("The request as a command")} />
      <div class="step-actions">
        {can("editor") && (
          <Button icon="send" kind="primary" onClick={send}>
            {t("Send it for me")}
          </Button>
        )}
        <span class="quiet" role="status">
          {sent ? t("Accepted. It counts once it is stored in the inbox.") : can("editor") ? t("Or run the command in a terminal where $API_SECRET is set.") : t("Run the command in a terminal where $API_SECRET is set.")}
        </span>
      </div>
      {reasons.map(({ text, remedy }) => (
        <p key={text} class="reason">
          {text} <span class="quiet">{remedy}</span>
        </p>
      ))}
    </>
  );
}
