/** The question, and the latest deliveries, each of which leads to its trace. */

import { data, projectApi } from "../../core/api.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { useFilters } from "../../core/url_state.ts";
import { Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { FilterBar, FilterSelect } from "../../kit/filters.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Card, Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { Time } from "../../kit/time.tsx";
import type { components } from "../../core/api_types.d.ts";
import { channelName } from "../../core/channels.ts";
import { channelIcon, stateName } from "./names.ts";
import { ParkedLanes } from "./parked.tsx";
import { QuestionForm } from "./question.tsx";
import { Recipients, UserInbox } from "./choices.tsx";

type Delivery = components["schemas"]["DeliveryAnswer"];

const CHANNELS = ["email", "mobile_push", "web_push", "sms", "slack", "teams", "webhook"] as const;
const OUTCOMES = ["failed", "delivered", "skipped"] as const;

/** The screen without a trace. */
export function DeliveryList({ projectId }: { projectId: string }) {
  const filters = useFilters("outcome", "channel", "user", "notification");
  const { user, notification } = filters.values;
  const text = t("Ask why a user did not get a notification, or start from a delivery that failed.");
  return (
    <Page title={t("Deliveries")} text={text}>
      <Card>
        <QuestionForm key={`${user} ${notification}`} projectId={projectId} user={user} notification={notification} />
        {notification && <Recipients projectId={projectId} notification={notification} />}
        {user && !notification && <UserInbox projectId={projectId} user={user} />}
      </Card>
      <ParkedLanes projectId={projectId} />
      {!notification && <Latest projectId={projectId} filters={filters} />}
    </Page>
  );
}

function Latest({ projectId, filters }: { projectId: string; filters: ReturnType<typeof useFilters<"outcome" | "channel" | "user" | "notification">> }) {
  const outcome = OUTCOMES.find((each) => each === filters.values.outcome);
  const isAll = filters.values.outcome === "all";
  const query = {
    outcome: isAll ? undefined : (outcome ?? ("failed" as const)),
    channel: CHANNELS.find((each) => each === filters.values.channel),
    user: filters.values.user || undefined,
    limit: 25,
  };
  const list = useCursorList(`${projectId} deliveries ${filters.key}`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/deliveries", { params: { query: { ...query, starting_after: after ?? undefined } }, signal }))),
  );
  const columns: Column<Delivery>[] = [
    { title: t("Notification"), render: (each) => each.title ?? <code>{each.notification_id.slice(0, 8)}…</code> },
    { title: t("User"), render: (each) => <Who projectId={projectId} user={each.user} />, width: "24%" },
    {
      title: t("Channel"),
      render: (each) => (
        <span class="channel-name">
          <Icon name={channelIcon(each.channel)} /> {channelName(each.channel)}
        </span>
      ),
      width: "150px",
      wide: true,
    },
    { title: t("Outcome"), render: (each) => <Outcome delivery={each} />, width: "26%" },
    { title: t("When"), render: (each) => <Time at={each.timestamp} />, width: "110px", wide: true },
  ];
  const tabs = [
    { id: "failed", label: t("Failed") },
    { id: "all", label: t("All") },
    { id: "delivered", label: t("Delivered") },
    { id: "skipped", label: t("Skipped") },
  ];
  const narrowed = {
    active: filters.values.channel !== "" || filters.values.user !== "",
    clear: filters.clear,
  };
  return (
    <>
      <div class="list-head">
        <Tabs segmented label={t("Outcome")} tabs={tabs} value={isAll ? "all" : (outcome ?? "failed")} onChange={(id) => filters.set("outcome", id === "failed" ? null : id)} />
        <FilterBar filters={narrowed}>
          <FilterSelect
            label={t("Channel")}
            value={filters.values.channel}
            onValue={(value) => filters.set("channel", value)}
            options={[{ value: "", label: t("All channels") }, ...CHANNELS.map((value) => ({ value, label: channelName(value) }))]}
          />
          <CopyCurl call={{ path: "/v2/deliveries", query }} />
        </FilterBar>
      </div>
      <CursorTable
        label={t("Latest deliveries")}
        list={list}
        columns={columns}
        filters={narrowed}
        rowKey={(each) => each.id}
        rowHref={(each) => `projects/${projectId}/deliveries?user=${each.user?.id ?? ""}&notification=${each.notification_id}`}
        what={t("The deliveries could not be loaded")}
        empty={<None outcome={query.outcome} projectId={projectId} />}
      />
    </>
  );
}

function None({ outcome, projectId }: { outcome: string | undefined; projectId: string }) {
  if (outcome === "failed") return <Empty icon="check" title={t("No delivery has failed")}>{t("Deliveries on email, push, chat and SMS that fail appear here, with the reason.")}</Empty>;
  return (
    <Empty icon="deliveries" title={t("No deliveries yet")} action={<Button href={`projects/${projectId}/channels`}>{t("Set up a channel")}</Button>}>
      {t("The inbox needs none. As soon as a channel such as email is set up, what is sent there appears here.")}
    </Empty>
  );
}

/** A user of the list: a link to the page of the user, while the row leads to the trace. */
function Who({ projectId, user }: { projectId: string; user: Delivery["user"] }) {
  if (user === null) return <span class="quiet">–</span>;
  const name = user.external_id ?? user.email;
  return <a href={`projects/${projectId}/users/${user.id}`}>{name ?? <code>{user.id.slice(0, 8)}…</code>}</a>;
}

function Outcome({ delivery }: { delivery: Delivery }) {
  const [word, tone] = stateName(delivery.state);
  return (
    <span class="outcome" title={delivery.reason ?? undefined}>
      <Status tone={tone}>{word}</Status>
      {delivery.reason && <code>{delivery.reason}</code>}
    </span>
  );
}
