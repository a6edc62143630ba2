/** What can be chosen when only one of the two is named: the recipients of a notification, or what a user got. */

import { data, projectApi } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { Empty, Loaded } from "../../kit/states.tsx";
import { Table } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";

const SHOWN = 10;

/** The recipients of a notification, each of which leads to its trace. */
export function Recipients({ projectId, notification }: { projectId: string; notification: string }) {
  const found = useQuery(`${projectId} recipients ${notification}`, (signal) =>
    data(projectApi(projectId).GET("/v2/notifications/{id}/deliveryplan", { params: { path: { id: notification }, query: { limit: 50 } }, signal })),
  );
  if (found.error?.status === 404 && !found.data) {
    return <Empty title={t("Its recipients are not known")}>{t("Name the user as well. Only broadcasts, and notifications to a few users, keep a list of who got them.")}</Empty>;
  }
  return (
    <Loaded query={found} what={t("The recipients could not be loaded")}>
      {({ data: rows }) => (
        <>
          <h2>{t("Choose a recipient")}</h2>
          <Table
            label={t("Recipients")}
            rows={rows}
            rowKey={(row) => row.id}
            rowHref={(row) => `projects/${projectId}/deliveries?user=${row.user_id}&notification=${notification}`}
            columns={[
              { title: t("User"), render: (row) => <Name projectId={projectId} id={row.user_id} /> },
              { title: t("Delivery"), render: (row) => (row.status === "completed" ? t("Ended") : t("Under way")), width: "30%" },
            ]}
          />
        </>
      )}
    </Loaded>
  );
}

function Name({ projectId, id }: { projectId: string; id: string }) {
  const user = useQuery(`${projectId} name ${id}`, (signal) => data(projectApi(projectId).GET("/v2/users/{user}", { params: { path: { user: id } }, signal })));
  return <>{user.data ? (user.data.external_id ?? user.data.email) : <code>{id}</code>}</>;
}

/** What a user has in the inbox, the newest first, each of which leads to its trace. */
export function UserInbox({ projectId, user }: { projectId: string; user: string }) {
  const found = useQuery(`${projectId} user-inbox ${user}`, async (signal) => {
    const person = await data(projectApi(projectId).GET("/v2/users/{user}", { params: { path: { user } }, signal }));
    const as = person.external_id ? { externalId: person.external_id } : { email: person.email ?? "" };
    const page = await data(projectApi(projectId, as).GET("/v2/notifications", { params: { query: { limit: SHOWN } }, signal }));
    return { person, items: page.data };
  });
  if (found.error?.status === 404 && !found.data) {
    return <Empty icon="search" title={t("There is no such user")}>{t("Nobody in this project has this id, external id or email.")}</Empty>;
  }
  return (
    <Loaded query={found} what={t("The inbox could not be loaded")}>
      {({ person, items }) =>
        items.length === 0 ? (
          <Empty title={t("The inbox of this user is empty")}>{t("Paste the id of the notification that should be there.")}</Empty>
        ) : (
          <>
            <h2>{t("Choose one of the latest notifications, or paste the id of another")}</h2>
            <Table
              label={t("Notifications")}
              rows={items}
              rowKey={(row) => row.id}
              rowHref={(row) => `projects/${projectId}/deliveries?user=${person.id}&notification=${row.id}`}
              columns={[
                { title: t("Title"), render: (row) => row.title },
                { title: t("State"), render: (row) => <State item={row} />, width: "110px", wide: true },
                { title: t("Sent"), render: (row) => <Time at={row.sent_at} />, width: "120px" },
              ]}
            />
          </>
        )
      }
    </Loaded>
  );
}

function State({ item }: { item: { read_at?: string | null; archived_at?: string | null } }) {
  if (item.archived_at) return <Status>{t("Archived")}</Status>;
  return item.read_at ? <Status>{t("Read")}</Status> : <Status tone="accent">{t("Unread")}</Status>;
}
