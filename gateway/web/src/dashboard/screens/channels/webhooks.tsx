/** Outgoing webhooks: the endpoints of the project, with their state. */

import { useState } from "preact/hooks";
import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { useParam, withParams } from "../../core/url_state.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import { EndpointDrawer } from "./endpoint.tsx";
import { endpointState, SecretOnce } from "./endpoint_parts.tsx";

type Endpoint = components["schemas"]["WebhookEndpoint"];
type EventTypes = NonNullable<components["schemas"]["NewWebhookEndpoint"]["event_types"]>;

/** The endpoints, and the way to a new one. */
export function OutgoingWebhooks({ projectId }: { projectId: string }) {
  const can = useCan();
  const [shown, show] = useParam("endpoint", { push: true });
  const list = useCursorList(`${projectId} endpoints`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/webhooks/endpoints", { params: { query: { limit: 25, starting_after: after ?? undefined } }, signal }))),
  );
  const columns: Column<Endpoint>[] = [
    { title: t("Address"), render: (each) => <code>{each.url}</code> },
    { title: t("Events"), render: (each) => (each.event_types.length ? each.event_types.map((type) => <Badge key={type}>{type}</Badge>) : t("all")), wide: true },
    { title: t("State"), render: (each) => <Status tone={endpointState(each)[1]}>{endpointState(each)[0]}</Status>, width: "200px" },
    { title: t("Created"), render: (each) => <Time at={each.created_at} />, width: "120px", wide: true },
  ];
  return (
    <section class="channel-group" aria-label={t("Outgoing webhooks")}>
      <div class="group-head">
        <div>
          <h2>{t("Outgoing webhooks")}</h2>
          <p class="quiet">{t("What happens in this project is posted to your servers.")}</p>
        </div>
        {can("admin") && (
          <Button icon="plus" onClick={() => show("new")}>
            {t("New endpoint")}
          </Button>
        )}
      </div>
      <CursorTable
        label={t("Endpoints")}
        list={list}
        columns={columns}
        rowKey={(each) => each.id}
        rowHref={(each) => withParams({ endpoint: each.id })}
        isCurrent={(each) => each.id === shown}
        what={t("The endpoints could not be loaded")}
        empty={<Empty icon="webhook" title={t("No endpoints")}>{t("An endpoint is an address of yours that gets events, signed.")}</Empty>}
      />
      {shown === "new" && can("admin") && <NewEndpoint projectId={projectId} onClose={() => show(null)} onDone={list.refetch} />}
      {shown && shown !== "new" && <EndpointDrawer key={shown} projectId={projectId} id={shown} onClose={() => show(null)} onChange={list.refetch} />}
    </section>
  );
}

function NewEndpoint({ projectId, onClose, onDone }: { projectId: string; onClose: () => void; onDone: () => void }) {
  const [secret, setSecret] = useState("");

  const bodyOf = ({ url = "", event_types = "", description = "" }: Record<string, string>) => ({
    url,
    event_types: event_types.split(/[\s,]+/).filter(Boolean) as EventTypes,
    description: description || undefined,
  });

  async function create(values: Record<string, string>): Promise<void> {
    try {
      const created = await data(projectApi(projectId).POST("/v2/webhooks/endpoints", { body: bodyOf(values) }));
      setSecret(created.secret);
      onDone();
    } catch (error) {
      throw error instanceof ApiFailure ? atOneField(error) : error;
    }
  }

  return (
    <Dialog title={t("New endpoint")} onClose={onClose}>
      {secret ? (
        <SecretOnce secret={secret} onClose={onClose} />
      ) : (
        <Form onSubmit={create} submit={t("Create")} curl={(values) => ({ method: "POST", path: "/v2/webhooks/endpoints", body: bodyOf(values) })} extra={<Button onClick={onClose}>{t("Cancel")}</Button>}>
          <TextInput name="url" type="url" label={t("Address")} placeholder="https://example.com/hooks/inbox" required autofocus />
          <TextInput name="event_types" label={t("Event types")} hint={t("Such as notification.read or user.*, separated by spaces. Without any, it gets all.")} mono optional />
          <TextInput name="description" label={t("Description")} maxLength={255} optional />
        </Form>
      )}
    </Dialog>
  );
}

/** Return a failure whose messages about single event types stand at their common field. */
function atOneField(failure: ApiFailure): ApiFailure {
  const { message, suggestion, code, status, requestId } = failure;
  const fields = Object.fromEntries(Object.entries(failure.fields).map(([name, text]) => [name.replace(/\[\d+\]$/, ""), text]));
  return new ApiFailure({ message, suggestion, code, status, requestId, fields });
}
