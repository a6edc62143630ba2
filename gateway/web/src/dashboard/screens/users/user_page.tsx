/** The page of a user: who it is, what can be done, and a tab for each thing that is known. */

import type { ComponentChildren } from "preact";
import { data, projectApi } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Code, Copy, CopyCurl } from "../../kit/copy.tsx";
import { Card, Page, Properties, Stat, Stats } from "../../kit/page.tsx";
import { Button } from "../../kit/button.tsx";
import { Empty, Failure, Loaded, Skeleton } from "../../kit/states.tsx";
import { Tabs, useTab } from "../../kit/tabs.tsx";
import { Time } from "../../kit/time.tsx";
import { UserActions } from "./actions.tsx";
import { DeliveriesTab } from "./deliveries_tab.tsx";
import { DevicesTab } from "./devices_tab.tsx";
import { EventsTab } from "./events_tab.tsx";
import { InboxTab } from "./inbox_tab.tsx";
import { Online, OnlineTab, useConnections } from "./online_tab.tsx";
import { displayName, type ProjectUser, type UserSummary } from "./people.ts";
import { PreferencesTab } from "./preferences_tab.tsx";
import { Suppressed } from "./suppressed.tsx";

/** The page. `name` is an id, or `external_id:…` or `email:…`. */
export function UserPage({ projectId, name }: { projectId: string; name: string }) {
  const user = useQuery(`${projectId} user ${name}`, (signal) =>
    data(projectApi(projectId).GET("/v2/users/{user}", { params: { path: { user: name } }, signal })),
  );
  const above = [{ label: t("Users"), href: `projects/${projectId}/users` }];
  if (user.data) return <Found projectId={projectId} user={user.data} above={above} />;
  return (
    <Page title={t("User")} above={above}>
      {user.error?.status === 404 ? (
        <Empty icon="search" title={t("There is no such user")} action={<Button href={`projects/${projectId}/users`}>{t("All users")}</Button>}>
          {t("It may have been deleted. Events of a deleted user are found by the id of the user.")}
        </Empty>
      ) : (
        <Loaded query={user} what={t("The user could not be loaded")} skeleton={<Skeleton lines={6} />}>
          {() => null}
        </Loaded>
      )}
    </Page>
  );
}

function Found({ projectId, user, above }: { projectId: string; user: ProjectUser; above: { label: string; href: string }[] }) {
  const key = `${projectId} user-summary ${user.id}`;
  const params = { path: { user: user.id } };
  const summary = useQuery(key, (signal) => data(projectApi(projectId).GET("/v2/users/{user}/summary", { params, signal })));
  const connections = useConnections(projectId, user.id);
  const live = summary.data?.channel_tokens.filter(({ discarded_at }) => discarded_at === null).length;
  const tabs = [
    { id: "inbox", label: t("Inbox"), count: summary.data?.notifications.unread },
    { id: "preferences", label: t("Preferences") },
    { id: "devices", label: t("Devices and tokens"), count: live },
    { id: "online", label: t("Online now"), count: connections.data?.total },
    { id: "deliveries", label: t("Deliveries") },
    { id: "events", label: t("Events") },
    { id: "json", label: t("JSON") },
  ].map(({ count, ...tab }) => (count ? { ...tab, count } : tab));
  const [tab, choose] = useTab(tabs);
  return (
    <Page title={displayName(user)} above={above} actions={<UserActions projectId={projectId} user={user} summary={summary.data} onChange={summary.refetch} />}>
      <Figures summary={summary} />
      <div class="user-head">
        <Who user={user} online={<Online connections={connections} />} />
        <Attributes user={user} />
      </div>
      {summary.data && <Suppressed projectId={projectId} user={user} suppressed={summary.data.suppressed} onChange={summary.refetch} />}
      <Tabs label={t("About the user")} tabs={tabs} value={tab} onChange={choose} />
      <div role="tabpanel" aria-label={tabs.find(({ id }) => id === tab)?.label}>
        {tab === "inbox" && <InboxTab projectId={projectId} user={user} onChange={summary.refetch} />}
        {tab === "preferences" && <PreferencesTab projectId={projectId} user={user} />}
        {tab === "devices" && <DevicesTab projectId={projectId} user={user} summary={summary} />}
        {tab === "online" && <OnlineTab connections={connections} />}
        {tab === "deliveries" && <DeliveriesTab projectId={projectId} user={user} />}
        {tab === "events" && <EventsTab projectId={projectId} user={user} />}
        {tab === "json" && <JsonTab user={user} summary={summary.data} />}
      </div>
    </Page>
  );
}

function Who({ user, online }: { user: ProjectUser; online: ComponentChildren }) {
  const numbers = user.phone_numbers ?? [];
  return (
    <Card>
      <Properties
        items={[
          [t("Id"), <Copy text={user.id} />],
          [t("External id"), user.external_id && <Copy text={user.external_id} />],
          [t("Email"), user.email && <Copy text={user.email} />],
          ...(numbers.length ? ([[t("Phone"), numbers.join(", ")]] as const) : []),
          [t("Created"), <Time at={user.created_at} />],
          [t("Last seen"), <span class="last-seen"><Time at={user.last_seen_at} /> {online}</span>],
          [t("Last notified"), <Time at={user.last_notified_at} />],
        ]}
      />
    </Card>
  );
}

const ATTRIBUTES_SHOWN = 6;

function Attributes({ user }: { user: ProjectUser }) {
  const all = Object.entries(user.custom_attributes ?? {});
  if (!all.length) return null;
  const shown = all.slice(0, ATTRIBUTES_SHOWN).map(([name, value]) => [name, <code key={name}>{typeof value === "string" ? value : JSON.stringify(value)}</code>] as const);
  return (
    <Card title={t("Attributes")}>
      <Properties items={shown} />
      {all.length > ATTRIBUTES_SHOWN && (
        <details>
          <summary>{t("All {n} attributes", { n: all.length })}</summary>
          <Code json={user.custom_attributes} label={t("Attributes")} />
        </details>
      )}
    </Card>
  );
}

function Figures({ summary }: { summary: Query<UserSummary> }) {
  if (summary.error && !summary.data) return <Failure what={t("The counts could not be loaded")} error={summary.error} retry={summary.refetch} />;
  const counts = summary.data?.notifications;
  const figure = (value: number | undefined) => (value === undefined ? "–" : number(value));
  return (
    <Stats>
      <Stat label={t("Unread")} value={figure(counts?.unread)} />
      <Stat label={t("Unseen")} value={figure(counts?.unseen)} />
      <Stat label={t("Archived")} value={figure(counts?.archived)} />
      <Stat label={t("All notifications")} value={figure(counts?.total)} />
    </Stats>
  );
}

function JsonTab({ user, summary }: { user: ProjectUser; summary: UserSummary | undefined }) {
  return (
    <Card title={t("As the API returns it")} actions={<CopyCurl call={{ path: `/v2/users/${user.id}` }} />}>
      <Code json={user} label={t("The user as JSON")} />
      {summary && (
        <>
          <h3>{t("Summary")}</h3>
          <Code json={summary} label={t("The summary as JSON")} />
        </>
      )}
    </Card>
  );
}
