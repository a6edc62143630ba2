/** Notifications: everything that the project has sent, and what became of each. */

import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { number, toDate } from "../../core/format.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { navigate, usePlace } from "../../core/router.ts";
import { useCan } from "../../core/session.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { type Filters, useFilters } from "../../core/url_state.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { FilterBar, FilterSelect, SearchField } from "../../kit/filters.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import css from "../../parts/sent/sent.css";
import { audienceText, shareText, statusName, statusTone, userName } from "../../parts/sent/words.ts";
import type { ScreenProps } from "../../screens.ts";
import { NotificationDrawer } from "./drawer.tsx";

type Sent = components["schemas"]["SentSummary"];
type Names = "category" | "user" | "kind" | "since";

const PERIODS: Record<string, number> = { hour: 3600, day: 86_400, week: 604_800 };

/** The list, and the drawer of the notification that the address names. */
export default function Notifications({ projectId, rest }: ScreenProps) {
  useStyles(css);
  const can = useCan();
  const { query: params } = usePlace();
  const filters = useFilters("category", "user", "kind", "since");
  const query = queryOf(filters);
  const shown = rest[0];
  const list = useCursorList(`${projectId} sent ${filters.key}`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/sent", { params: { query: { ...query, starting_after: after ?? undefined } }, signal }))),
  );
  const hrefTo = (id: string | null) => {
    const text = params.toString();
    return `projects/${projectId}/notifications${id ? `/${id}` : ""}${text ? `?${text}` : ""}`;
  };
  const columns: Column<Sent>[] = [
    { title: t("Title"), render: (each) => <Title sent={each} />, wrap: true },
    { title: t("Category"), render: (each) => (each.category ? <Badge>{each.category}</Badge> : <span class="quiet">–</span>), width: "15%", wide: true },
    { title: t("Audience"), render: (each) => <AudienceCell projectId={projectId} sent={each} />, width: "20%", wide: true },
    { title: t("In the inbox"), align: "end", render: (each) => <Delivered sent={each} />, width: "110px", wide: true },
    { title: t("Read"), align: "end", render: (each) => shareText(each.read_percent, each.sampled >= each.stored), width: "72px" },
    { title: t("Sent"), render: (each) => <Time at={each.sent_at} />, width: "110px" },
  ];
  const compose = can("editor") && (
    <Button kind="primary" icon="compose" href={`projects/${projectId}/compose`}>
      {t("Compose")}
    </Button>
  );
  return (
    <Page
      title={t("Notifications")}
      text={t("Everything that was sent in this project, newest first.")}
      actions={
        <>
          <CopyCurl call={{ path: "/v2/sent", query }} />
          {compose}
        </>
      }
    >
      <NotificationFilters filters={filters} />
      <CursorTable
        label={t("Notifications")}
        list={list}
        columns={columns}
        filters={filters}
        rowKey={(each) => each.id}
        rowHref={(each) => hrefTo(each.id)}
        isCurrent={(each) => each.id === shown}
        what={t("The notifications could not be loaded")}
        empty={
          <Empty icon="bell" title={t("Nothing was sent yet")} action={compose || undefined}>
            {t("A notification that your backend sends appears here within a moment.")}
          </Empty>
        }
      />
      {shown && <NotificationDrawer key={shown} projectId={projectId} id={shown} onClose={() => navigate(hrefTo(null))} />}
    </Page>
  );
}

function NotificationFilters({ filters }: { filters: Filters<Names> }) {
  const { values, set } = filters;
  return (
    <FilterBar filters={filters}>
      <SearchField label={t("Recipient: external id, email or id")} value={values.user} onValue={(value) => set("user", value)} />
      <SearchField label={t("Category")} value={values.category} onValue={(value) => set("category", value)} />
      <FilterSelect
        label={t("Kind")}
        value={values.kind}
        onValue={(value) => set("kind", value)}
        options={[
          { value: "", label: t("All kinds") },
          { value: "direct", label: t("Notifications") },
          { value: "broadcast", label: t("Broadcasts") },
        ]}
      />
      <FilterSelect
        label={t("Time")}
        value={values.since}
        onValue={(value) => set("since", value)}
        options={[
          { value: "", label: t("Any time") },
          { value: "hour", label: t("Last hour") },
          { value: "day", label: t("Last 24 hours") },
          { value: "week", label: t("Last 7 days") },
        ]}
      />
    </FilterBar>
  );
}

/** Return the parameters of the operation. A name without a kind is that of a user's external id. */
function queryOf({ values }: Filters<Names>) {
  const { category, user, kind, since } = values;
  const period = PERIODS[since];
  const isNamed = /^(external_id|email):|^[0-9a-f-]{36}$/i.test(user);
  return {
    limit: 25,
    category: category || undefined,
    user: user ? (isNamed ? user : `${user.includes("@") ? "email" : "external_id"}:${user}`) : undefined,
    broadcast: kind === "broadcast" ? true : kind === "direct" ? false : undefined,
    since: period ? Math.floor(toDate(Date.now()).getTime() / 1000) - period : undefined,
  };
}

function Title({ sent }: { sent: Sent }) {
  if (sent.title !== null) return <>{sent.title}</>;
  return <span class="quiet">{sent.stored ? t("No longer in any inbox") : t("Not in any inbox")}</span>;
}

function AudienceCell({ projectId, sent }: { projectId: string; sent: Sent }) {
  if (sent.user) return <a href={`projects/${projectId}/users/${sent.user.id}`}>{userName(sent.user)}</a>;
  return <>{audienceText(sent.audience, sent.recipients)}</>;
}

function Delivered({ sent }: { sent: Sent }) {
  if (sent.status && sent.status !== "processed") return <Status tone={statusTone(sent.status)} pulse={sent.status === "processing"}>{statusName(sent.status)}</Status>;
  if (sent.suppressed && !sent.stored) return <Status tone="warning">{t("Kept out")}</Status>;
  return <>{sent.is_broadcast || sent.audience === "user" ? number(sent.stored) : `${number(sent.stored)} / ${number(sent.stored + sent.suppressed)}`}</>;
}
