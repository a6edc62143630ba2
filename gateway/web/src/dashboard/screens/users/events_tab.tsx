/** What happened to a user: the events of the project that concern the user. */

import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { dateTime } from "../../core/format.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { useFilters, useParam, withParams } from "../../core/url_state.ts";
import { Code, Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { FilterBar, FilterSelect } from "../../kit/filters.tsx";
import { Properties } from "../../kit/page.tsx";
import { Button } from "../../kit/button.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import type { ProjectUser } from "./people.ts";

type ProjectEvent = components["schemas"]["ProjectEvent"];

/** The tab. */
export function EventsTab({ projectId, user }: { projectId: string; user: ProjectUser }) {
  const filters = useFilters("level");
  const [shown, show] = useParam("event", { push: true });
  const level = filters.values.level === "warning" ? ("warning" as const) : undefined;
  const query = { user: user.id, level, limit: 50 };
  const list = useCursorList(`${projectId} user-events ${user.id} ${filters.key}`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/events", { params: { query: { ...query, starting_after: after ?? undefined } }, signal }))),
  );
  const columns: Column<ProjectEvent>[] = [
    { title: t("Event"), render: (event) => event.log },
    { title: t("Type"), render: (event) => <code>{event.type}</code>, width: "220px", wide: true },
    { title: t("When"), render: (event) => <Time at={event.timestamp} />, width: "120px" },
  ];
  const open = list.items?.find(({ id }) => id === shown);
  return (
    <div class="tab-content">
      <FilterBar filters={filters}>
        <FilterSelect
          label={t("Level")}
          value={filters.values.level}
          onValue={(value) => filters.set("level", value)}
          options={[
            { value: "", label: t("All events") },
            { value: "warning", label: t("Warnings") },
          ]}
        />
        <CopyCurl call={{ path: "/v2/events", query }} />
      </FilterBar>
      <CursorTable
        label={t("Events of the user")}
        list={list}
        columns={columns}
        filters={filters}
        rowKey={(event) => event.id}
        rowHref={(event) => withParams({ event: event.id })}
        isCurrent={(event) => event.id === shown}
        what={t("The events could not be loaded")}
        empty={<Empty icon="log" title={t("No events")}>{t("The log has no events of this user. Older ones are no longer kept.")}</Empty>}
      />
      {open && <EventDrawer projectId={projectId} user={user} event={open} onClose={() => show(null)} />}
    </div>
  );
}

function EventDrawer({ projectId, user, event, onClose }: { projectId: string; user: ProjectUser; event: ProjectEvent; onClose: () => void }) {
  const notification = event.context?.notification_id;
  return (
    <Drawer title={event.log} onClose={onClose} actions={<CopyCurl call={{ path: `/v2/events/${event.id}` }} />}>
      <Properties
        items={[
          [t("Type"), <code>{event.type}</code>],
          [t("When"), dateTime(event.timestamp)],
          [t("Id"), <Copy text={event.id} />],
        ]}
      />
      {typeof notification === "string" && (
        <Button icon="deliveries" href={`projects/${projectId}/deliveries?user=${user.id}&notification=${notification}`}>
          {t("See what became of the notification")}
        </Button>
      )}
      <Code json={event} label={t("The event as JSON")} />
    </Drawer>
  );
}
