/** The drawer of an endpoint of outgoing webhooks: its health, its latest messages, a test, and its secret. */

import { useState } from "preact/hooks";
import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { plural, t } from "../../core/text.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Properties } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";
import { Time } from "../../kit/time.tsx";
import { endpointState, SecretOnce } from "./endpoint_parts.tsx";

type Message = components["schemas"]["WebhookMessageShown"];

const AGAIN_MS = 3_000;
const MESSAGES_SHOWN = 20;

interface EndpointProps {
  projectId: string;
  id: string;
  onClose: () => void;
  onChange: () => void;
}

/** The drawer. */
export function EndpointDrawer({ projectId, id, onClose, onChange }: EndpointProps) {
  const can = useCan();
  const [secret, setSecret] = useState("");
  const api = projectApi(projectId);
  const params = { path: { endpoint_id: id } };
  const path = `/v2/webhooks/endpoints/${id}`;
  const found = useQuery(`${projectId} endpoint ${id}`, (signal) => data(api.GET("/v2/webhooks/endpoints/{endpoint_id}", { params, signal })));
  const messages = useQuery(
    `${projectId} endpoint-messages ${id}`,
    (signal) => data(api.GET("/v2/webhooks/endpoints/{endpoint_id}/messages", { params: { ...params, query: { limit: MESSAGES_SHOWN } }, signal })),
    { everyMs: AGAIN_MS },
  );

  function changed(text: string): void {
    toast(text, "ok");
    found.refetch();
    messages.refetch();
    onChange();
  }

  async function test(): Promise<void> {
    await api.POST("/v2/webhooks/endpoints/{endpoint_id}/test", { params });
    changed(t("A test message is sent"));
  }

  async function enable(): Promise<void> {
    await api.POST("/v2/webhooks/endpoints/{endpoint_id}/enable", { params });
    changed(t("The endpoint is enabled"));
  }

  async function rotate(): Promise<void> {
    const agreed = await confirm({
      title: t("Rotate the signing secret?"),
      text: t("Messages are signed with the former secret as well for a day, so that you can replace it on your server."),
      action: t("Rotate"),
      curl: { method: "POST", path: `${path}/rotate`, body: {} },
    });
    if (!agreed) return;
    setSecret((await data(api.POST("/v2/webhooks/endpoints/{endpoint_id}/rotate", { params, body: {} }))).secret);
  }

  async function remove(): Promise<void> {
    const agreed = await confirm({ title: t("Delete this endpoint?"), text: t("Its messages are deleted, and it gets nothing more."), action: t("Delete"), danger: true });
    if (!agreed) return;
    await api.DELETE("/v2/webhooks/endpoints/{endpoint_id}", { params });
    toast(t("The endpoint is deleted"), "ok");
    onChange();
    onClose();
  }

  return (
    <Drawer title={t("Endpoint")} onClose={onClose} actions={<CopyCurl call={{ path }} />}>
      {secret && <SecretOnce secret={secret} onClose={() => setSecret("")} />}
      <Loaded query={found} what={t("The endpoint could not be loaded")}>
        {(endpoint) => {
          const [word, tone] = endpointState(endpoint);
          return (
            <>
              <Properties
                items={[
                  [t("Address"), <Copy text={endpoint.url} />],
                  [t("State"), <Status tone={tone}>{word}</Status>],
                  [t("Events"), endpoint.event_types.length ? <code>{endpoint.event_types.join(", ")}</code> : t("all")],
                  [t("Description"), endpoint.description],
                  ...(endpoint.health?.failures
                    ? ([[t("Health"), <span>{plural(endpoint.health.failures, "{n} failure in a row", "{n} failures in a row")} <Time at={endpoint.health.failing_since} /></span>]] as const)
                    : []),
                ]}
              />
              {can("admin") && (
                <div class="form-foot wrapping">
                  {endpoint.disabled ? (
                    <Button icon="play" onClick={enable}>
                      {t("Enable")}
                    </Button>
                  ) : (
                    <Button icon="send" onClick={test}>
                      {t("Send a test")}
                    </Button>
                  )}
                  <Button icon="refresh" onClick={rotate}>
                    {t("Rotate secret")}
                  </Button>
                  <Button icon="trash" onClick={remove}>
                    {t("Delete")}
                  </Button>
                </div>
              )}
            </>
          );
        }}
      </Loaded>
      <section class="part">
        <h3>{t("Latest messages")}</h3>
        <Loaded query={messages} what={t("The messages could not be loaded")}>
          {({ data: rows }) =>
            rows.length ? (
              <ul class="messages">
                {rows.map((message) => (
                  <MessageRow key={message.id} projectId={projectId} endpointId={id} message={message} onRetried={messages.refetch} />
                ))}
              </ul>
            ) : (
              <p class="quiet">{t("None in the last seven days.")}</p>
            )
          }
        </Loaded>
      </section>
    </Drawer>
  );
}

const STATES: Record<Message["state"], Tone> = { pending: "accent", delivered: "ok", failed: "danger" };

function MessageRow({ projectId, endpointId, message, onRetried }: { projectId: string; endpointId: string; message: Message; onRetried: () => void }) {
  const can = useCan();
  const last = message.attempts.at(-1);

  async function retry(): Promise<void> {
    const path = { endpoint_id: endpointId, message_id: message.id };
    await projectApi(projectId).POST("/v2/webhooks/endpoints/{endpoint_id}/messages/{message_id}/retry", { params: { path } });
    toast(t("It is sent again"), "ok");
    onRetried();
  }

  return (
    <li>
      <p>
        <code>{message.event_type}</code> <Time at={message.created_at} />
      </p>
      <p class="small message-facts">
        <Status tone={STATES[message.state]}>{message.state}</Status>
        {last && <span>{[last.status, last.reason, `${last.duration_ms} ms`].filter(Boolean).join(" · ")}</span>}
        <span class="quiet">{plural(message.attempts.length, "{n} attempt", "{n} attempts")}</span>
        {message.next_attempt_at && (
          <span>
            {t("next try")} <Time at={message.next_attempt_at} />
          </span>
        )}
        {message.state === "failed" && can("editor") && (
          <Button size="small" kind="quiet" icon="retry" onClick={retry}>
            {t("Retry")}
          </Button>
        )}
      </p>
    </li>
  );
}
