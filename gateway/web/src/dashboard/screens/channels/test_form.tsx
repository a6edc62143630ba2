/** Sends one test message through a provider, and shows what the provider made of it. */

import { useState } from "preact/hooks";
import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { t } from "../../core/text.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Note } from "../../kit/page.tsx";
import type { ProviderInfo } from "./providers.ts";

type Result = components["schemas"]["IntegrationTest"];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Return the name of a user as the API takes it. */
function named(text: string): string {
  const name = text.trim();
  if (UUID.test(name) || /^(email|external_id):/.test(name)) return name;
  return name.includes("@") ? `email:${name}` : `external_id:${name}`;
}

/** Return the word for the outcome of a test. */
function outcomeName(outcome: string): string {
  const names: Record<string, string> = {
    delivered: t("Delivered"),
    handed: t("With the provider"),
    no_destination: t("The user has no such destination"),
    dead: t("No such destination"),
    refused: t("Refused"),
    misconfigured: t("The provider refuses the configuration"),
    retry: t("Failed for now"),
    throttled: t("The provider asks for a slower rate"),
    unknown: t("Unknown"),
  };
  return names[outcome] ?? outcome;
}

function toneOf(outcome: string): Tone {
  if (outcome === "delivered" || outcome === "handed") return "ok";
  return ["retry", "throttled", "unknown", "no_destination"].includes(outcome) ? "warning" : "danger";
}

/** The form. */
export function TestForm({ projectId, provider }: { projectId: string; provider: ProviderInfo }) {
  const [result, setResult] = useState<Result>();

  async function send({ user = "" }: Record<string, string>): Promise<void> {
    setResult(undefined);
    const path = { integration: provider.name };
    setResult(await data(projectApi(projectId).POST("/v2/delivery/tests/{integration}", { params: { path }, body: { user: named(user) } })));
  }

  return (
    <section class="part">
      <h3>{t("Send a test")}</h3>
      <p class="quiet small">{t("One message is sent to a user at once, past preferences and delivery configs. Nothing of it is stored.")}</p>
      <Form onSubmit={send} submit={t("Send a test")} submitKind="secondary" curl={({ user = "" }) => ({ method: "POST", path: `/v2/delivery/tests/${provider.name}`, body: { user: named(user) } })}>
        <TextInput name="user" label={t("User")} placeholder={t("Email, external id or id")} required />
      </Form>
      {result && (
        <div role="status">
          <Note tone={toneOf(result.outcome) === "neutral" ? "info" : (toneOf(result.outcome) as "ok" | "warning" | "danger")}>
            <p>
              <Status tone={toneOf(result.outcome)}>{outcomeName(result.outcome)}</Status> {result.code && <code>{result.code}</code>}
            </p>
            <p class="result-text">{result.message}</p>
          </Note>
        </div>
      )}
    </section>
  );
}
