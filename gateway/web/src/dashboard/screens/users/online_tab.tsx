/** Where a user is connected at this moment. */

import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { Note } from "../../kit/page.tsx";
import { Empty, Loaded } from "../../kit/states.tsx";
import { Table } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";

type UserConnections = components["schemas"]["UserConnections"];
type UserConnection = components["schemas"]["UserConnection"];

const AGAIN_MS = 10_000;

/** Return the connections of a user, which are asked for again from time to time. */
export function useConnections(projectId: string, userId: string): Query<UserConnections> {
  const params = { path: { user: userId } };
  return useQuery(`${projectId} connections ${userId}`, (signal) => data(projectApi(projectId).GET("/v2/users/{user}/connections", { params, signal })), { everyMs: AGAIN_MS });
}

/** Whether the user is online. */
export function Online({ connections }: { connections: Query<UserConnections> }) {
  if (!connections.data) return null;
  return connections.data.total > 0 ? (
    <Status tone="ok" pulse>
      {t("online")}
    </Status>
  ) : null;
}

function transportName(transport: string): string {
  const names: Record<string, string> = { websocket: t("WebSocket"), sse: t("Event stream"), long_poll: t("Long polling"), poll: t("Long polling") };
  return names[transport] ?? transport;
}

/** The table of connections. */
export function OnlineTab({ connections }: { connections: Query<UserConnections> }) {
  return (
    <Loaded query={connections} what={t("The connections could not be loaded")}>
      {({ data: rows, total, silent_nodes }) => (
        <>
          {silent_nodes > 0 && (
            <Note tone="warning">{plural(silent_nodes, "{n} node has not answered. Its connections are missing.", "{n} nodes have not answered. Their connections are missing.")}</Note>
          )}
          {total === 0 ? (
            <Empty icon="live" title={t("Not online")}>
              {t("No bell or app of this user is connected. What is sent is in the inbox when it connects.")}
            </Empty>
          ) : (
            <Table
              label={t("Connections")}
              rows={rows}
              rowKey={(row: UserConnection) => `${row.node_id} ${row.id}`}
              columns={[
                { title: t("Transport"), render: (row) => transportName(row.transport) },
                { title: t("State"), render: (row) => <State connection={row} /> },
                { title: t("Page"), render: (row) => row.origin ?? "–", wide: true },
                { title: t("Network"), render: (row) => row.network ?? "–", wide: true },
                { title: t("Proof"), render: (row) => (row.proof === "token" ? t("Token") : t("Key")), wide: true },
                { title: t("Node"), render: (row) => <code>{row.node_id}</code>, wide: true },
                { title: t("Connected"), render: (row) => <Time at={row.opened_at} />, width: "130px" },
              ]}
            />
          )}
        </>
      )}
    </Loaded>
  );
}

function State({ connection: { state, events_behind } }: { connection: UserConnection }) {
  if (state !== "live") return <Status tone="accent" pulse>{t("Catching up")}</Status>;
  return events_behind ? <Status tone="warning">{plural(events_behind, "{n} event behind", "{n} events behind")}</Status> : <Status tone="ok">{t("Live")}</Status>;
}
