/** The audit log: what people, scripts and commands changed. */

import { adminApi, data } from "../../core/api.ts";
import { useCursorList } from "../../core/query.ts";
import { allows, useSession } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { useFilters, useParam, withParams } from "../../core/url_state.ts";
import { Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { FilterBar, FilterSelect, SearchField } from "../../kit/filters.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import { type Entry, EntryDrawer, OUTCOMES, targetOf } from "./entry.tsx";

/** The screen. */
export default function Audit() {
  const { me, projects } = useSession();
  const everywhere = me.admin.roles["*"];
  // Only an admin of all workspaces may read the log of all. Others read that of a project.
  const readsAll = everywhere !== undefined && allows(everywhere, "admin");
  const readable = readsAll ? projects : projects.filter(({ role }) => allows(role, "admin"));
  const filters = useFilters("project", "actor", "action");
  const [shown, show] = useParam("entry", { push: true });
  const project = filters.values.project || (readsAll ? "" : (readable[0]?.id ?? ""));
  const given = Object.fromEntries(Object.entries({ ...filters.values, project }).filter(([, value]) => value));
  const list = useCursorList(`settings audit ${project} ${filters.key}`, async (after, signal) => {
    const query = { ...given, limit: 50, ...(after ? { starting_after: after } : {}) };
    const page = await data(adminApi().GET("/admin/api/audit", { params: { query }, signal }));
    return { items: page.data, next: page.next };
  });
  const nameOf = (id: string) => projects.find((project) => project.id === id)?.name ?? (id && `#${id}`);
  const columns: readonly Column<Entry>[] = [
    { title: t("What"), render: (entry) => entry.summary || entry.action, wrap: true },
    { title: t("Who"), render: ({ actor }) => actor, wide: true },
    { title: t("Target"), render: (entry) => targetOf(entry), wide: true },
    { title: t("Project"), render: ({ project_id }) => nameOf(project_id) || <span class="quiet">–</span>, wide: true },
    { title: t("Outcome"), render: ({ outcome }) => <Outcome outcome={outcome} />, width: "110px", wide: true },
    { title: t("When"), render: ({ at }) => <Time at={at} />, width: "120px" },
  ];
  const projectOptions = [...(readsAll ? [{ value: "", label: t("All projects") }] : []), ...readable.map(({ id, name }) => ({ value: id, label: name }))];
  const params = new URLSearchParams(given).toString();
  return (
    <Page
      title={t("Audit log")}
      text={t("Every change by a person, a script or a command. Nothing in it can be changed.")}
      actions={
        <>
          <CopyCurl call={{ path: "/admin/api/audit", query: given }} />
          <Button icon="download" href={`api/audit/export${params && `?${params}`}`} download>
            {t("Export")}
          </Button>
        </>
      }
    >
      <FilterBar filters={filters}>
        <SearchField label={t("Who")} placeholder={t("Email of an admin")} value={filters.values.actor} onValue={(value) => filters.set("actor", value)} />
        <FilterSelect label={t("Project")} value={project} onValue={(value) => filters.set("project", value)} options={projectOptions} />
        {filters.values.action && (
          <Button kind="quiet" icon="close" onClick={() => filters.set("action", null)}>
            {filters.values.action}
          </Button>
        )}
      </FilterBar>
      <CursorTable
        label={t("Audit log")}
        list={list}
        columns={columns}
        filters={filters}
        rowKey={({ id }) => id}
        rowHref={({ id }) => withParams({ entry: id })}
        isCurrent={({ id }) => id === shown}
        what={t("The audit log could not be loaded")}
        empty={<Empty icon="log" title={t("No changes yet")}>{t("The first change appears here.")}</Empty>}
      />
      {shown && (
        <EntryDrawer
          key={shown}
          id={shown}
          project={project}
          known={list.items?.find(({ id }) => id === shown)}
          nameOf={nameOf}
          onClose={() => show(null)}
        />
      )}
    </Page>
  );
}

function Outcome({ outcome }: { outcome: string }) {
  const { tone, label } = OUTCOMES[outcome] ?? { tone: "neutral", label: outcome };
  return <Status tone={tone}>{label}</Status>;
}
