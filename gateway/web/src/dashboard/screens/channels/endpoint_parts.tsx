/** What the list of endpoints and the drawer of one share. */

import type { components } from "../../core/api_types.d.ts";
import { t } from "../../core/text.ts";
import type { Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Code } from "../../kit/copy.tsx";
import { Note } from "../../kit/page.tsx";

type Endpoint = components["schemas"]["WebhookEndpoint"];

/** Return the word for the state of an endpoint, and its colour. */
export function endpointState(endpoint: Endpoint): [string, Tone] {
  if (!endpoint.disabled) return [t("Enabled"), "ok"];
  const reasons: Record<string, string> = { failures: t("Disabled: every message failed"), gone: t("Disabled: it answered 410") };
  return [reasons[endpoint.disabled_reason ?? ""] ?? t("Disabled"), endpoint.disabled_reason === "request" ? "neutral" : "danger"];
}

/** A secret that no other page shows. */
export function SecretOnce({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <>
      <Note tone="warning">
        <p class="result-text">{t("Copy the signing secret now. It is not shown again.")}</p>
      </Note>
      <Code text={secret} label={t("Signing secret")} />
      <div class="form-foot">
        <Button kind="primary" onClick={onClose}>
          {t("Done")}
        </Button>
      </div>
    </>
  );
}
