/** The users of a project, the newest first, and a search. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { type CursorPage, cursorPage, useCursorList } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { useFilters, useParam } from "../../core/url_state.ts";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { FilterBar, SearchField } from "../../kit/filters.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import { CreateUser } from "./create.tsx";
import { ImportUsers } from "./import.tsx";
import { displayName, type ProjectUser } from "./people.ts";

const PAGES_AT_ONCE = 10;
/** A request of a search looks at this many users at most. */
const USERS_A_PAGE = 1_000;

/** The list. */
export function UserList({ projectId }: { projectId: string }) {
  const can = useCan();
  const filters = useFilters("query");
  const [dialog, open] = useParam("new", { push: true });
  const text = filters.values.query;
  const query = { query: text || undefined, limit: 50 };
  const [searched, setSearched] = useState(0);

  /** Load a page. Pages of a search may be empty, so some are loaded until one has users. */
  async function load(cursor: string | null, signal: AbortSignal): Promise<CursorPage<ProjectUser>> {
    let page: CursorPage<ProjectUser> = { items: [], next: cursor };
    let pages = 0;
    do {
      const params = { query: { ...query, starting_after: page.next ?? undefined } };
      page = cursorPage(await data(projectApi(projectId).GET("/v2/users", { params, signal })));
      pages++;
    } while (!page.items.length && page.next !== null && pages < PAGES_AT_ONCE);
    setSearched((before) => (cursor === null ? 0 : before) + pages * USERS_A_PAGE);
    return page;
  }

  const list = useCursorList(`${projectId} users ${filters.key}`, load);
  const columns: Column<ProjectUser>[] = [
    { title: t("Name"), render: (user) => displayName(user) },
    { title: t("External id"), render: (user) => user.external_id && <code>{user.external_id}</code>, wide: true },
    { title: t("Email"), render: (user) => user.email, wide: true },
    { title: t("Created"), render: (user) => <Time at={user.created_at} />, width: "120px", wide: true },
    { title: t("Last seen"), render: (user) => <Time at={user.last_seen_at} />, width: "120px" },
  ];
  const actions = (
    <>
      <CopyCurl call={{ path: "/v2/users", query }} />
      {can("editor") && (
        <>
          <Button icon="upload" onClick={() => open("import")}>
            {t("Import")}
          </Button>
          <Button icon="plus" kind="primary" onClick={() => open("user")}>
            {t("New user")}
          </Button>
        </>
      )}
    </>
  );
  const isFruitless = text !== "" && list.items?.length === 0 && list.hasMore;
  return (
    <Page title={t("Users")} actions={actions}>
      <FilterBar filters={filters}>
        <SearchField label={t("Search users")} placeholder={t("External id, email, id or name")} value={text} onValue={(value) => filters.set("query", value)} />
        <span class="quiet small search-hint">{t("An exact id or email is found at once. Other texts are searched among the newest users first.")}</span>
      </FilterBar>
      {isFruitless ? (
        <Empty
          icon="search"
          title={t("Nobody among the newest {n} users", { n: searched.toLocaleString() })}
          action={
            <Button busy={list.loadingMore} onClick={list.more}>
              {t("Search further")}
            </Button>
          }
        >
          {t("No name, external id or email of these users contains “{text}”.", { text })}
        </Empty>
      ) : (
        <CursorTable
          label={t("Users")}
          list={list}
          columns={columns}
          filters={filters}
          rowKey={(user) => user.id}
          rowHref={(user) => `projects/${projectId}/users/${user.id}`}
          what={t("The users could not be loaded")}
          empty={
            <Empty icon="users" title={t("No users yet")} action={can("editor") && <Button onClick={() => open("import")}>{t("Import users")}</Button>}>
              {t("Users appear when a notification is sent to them, when they first open their inbox, or when you create them.")}
            </Empty>
          }
        />
      )}
      {dialog === "user" && can("editor") && <CreateUser projectId={projectId} onClose={() => open(null)} />}
      {dialog === "import" && can("editor") && <ImportUsers projectId={projectId} onClose={() => open(null)} onDone={list.refetch} />}
    </Page>
  );
}
