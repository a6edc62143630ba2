/** The inbox of a user as the user sees it, with what editors may do for the user. */

import type { components } from "../../core/api_types.d.ts";
import { data } from "../../core/api.ts";
import { asFailure } from "../../core/failure.ts";
import { toast } from "../../core/live_region.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { useParam } from "../../core/url_state.ts";
import { Badge } from "../../kit/badge.tsx";
import { Menu, type MenuItem } from "../../kit/menu.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { Time } from "../../kit/time.tsx";
import { apiOf, type ProjectUser } from "./people.ts";

type Item = components["schemas"]["V2Notification"];

const STATUSES = ["unread", "read", "archived"] as const;

/** The tab. */
export function InboxTab({ projectId, user, onChange }: { projectId: string; user: ProjectUser; onChange: () => void }) {
  const can = useCan();
  const [chosen, choose] = useParam("status");
  const status = STATUSES.find((each) => each === chosen);
  const api = apiOf(projectId, user);
  const list = useCursorList(`${projectId} inbox ${user.id} ${status ?? ""}`, async (after, signal) =>
    cursorPage(await data(api.GET("/v2/notifications", { params: { query: { status, limit: 25, starting_after: after ?? undefined } }, signal }))),
  );

  async function change(work: Promise<unknown>): Promise<void> {
    try {
      await work;
      list.refetch();
      onChange();
    } catch (error) {
      toast(asFailure(error).message, "danger");
    }
  }

  function actionsFor(item: Item): MenuItem[] {
    const params = { params: { path: { id: item.id } } };
    return [
      item.read_at
        ? { label: t("Mark as unread"), icon: "bell", onSelect: () => void change(api.POST("/v2/notifications/{id}/unread", params)) }
        : { label: t("Mark as read"), icon: "check", onSelect: () => void change(api.POST("/v2/notifications/{id}/read", params)) },
      item.archived_at
        ? { label: t("Take out of the archive"), icon: "folder", onSelect: () => void change(api.POST("/v2/notifications/{id}/unarchive", params)) }
        : { label: t("Archive"), icon: "folder", onSelect: () => void change(api.POST("/v2/notifications/{id}/archive", params)) },
    ];
  }

  const columns: Column<Item>[] = [
    { title: t("Notification"), render: (item) => <Title item={item} /> },
    { title: t("Category"), render: (item) => item.category && <Badge>{item.category}</Badge>, width: "130px", wide: true },
    { title: t("Seen"), render: (item) => <Time at={item.seen_at} />, width: "110px", wide: true },
    { title: t("Read"), render: (item) => <Time at={item.read_at} />, width: "110px", wide: true },
    { title: t("Sent"), render: (item) => <Time at={item.sent_at} />, width: "110px" },
    ...(can("editor")
      ? [{ title: t("Actions"), render: (item: Item) => <Menu label={t("Actions for “{title}”", { title: item.title })} items={actionsFor(item)} />, width: "64px", align: "end" as const }]
      : []),
  ];
  const tabs = [
    { id: "all", label: t("All") },
    { id: "unread", label: t("Unread") },
    { id: "read", label: t("Read") },
    { id: "archived", label: t("Archived") },
  ];
  return (
    <div class="tab-content">
      <Tabs segmented label={t("Status")} tabs={tabs} value={status ?? "all"} onChange={(id) => choose(id === "all" ? null : id)} />
      <CursorTable
        label={t("Notifications of the user")}
        list={list}
        columns={columns}
        filters={{ active: status !== undefined, clear: () => choose(null) }}
        rowKey={(item) => item.id}
        rowHref={(item) => `projects/${projectId}/deliveries?user=${user.id}&notification=${item.id}`}
        what={t("The inbox could not be loaded")}
        empty={<Empty icon="bell" title={t("The inbox is empty")}>{t("Nothing was sent to this user, or it was deleted.")}</Empty>}
      />
    </div>
  );
}

function Title({ item }: { item: Item }) {
  const isUnread = item.read_at === null && item.archived_at === null;
  const word = item.archived_at ? t("archived") : isUnread ? t("unread") : t("read");
  return (
    <span class={`item-title ${isUnread ? "unread" : ""}`}>
      <span class="item-dot" aria-hidden="true" />
      <span class="item-text">{item.title}</span>
      <span class="hidden">, {word}</span>
      {item.archived_at && <Badge>{t("Archived")}</Badge>}
    </span>
  );
}
