/** One entry of the audit log. */

import type { ComponentChildren } from "preact";
import { adminApi, data } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { ApiFailure } from "../../core/failure.ts";
import { dateTime } from "../../core/format.ts";
import { useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Code, Copy } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Properties } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";

export type Entry = components["schemas"]["AuditShown"];

export const OUTCOMES: Record<string, { tone: Tone; label: string }> = {
  done: { tone: "ok", label: t("Done") },
  refused: { tone: "warning", label: t("Refused") },
  failed: { tone: "danger", label: t("Failed") },
};

const PROOFS: Record<string, string> = {
  session: t("A session of the dashboard"),
  token: t("A token of an admin"),
  api_secret: t("The API secret of the project"),
  project_token: t("A token of the project"),
  workspace_token: t("A token of the workspace"),
  command_line: t("The command line"),
};

/** Return what an entry is about, in a few words. */
export function targetOf({ target, detail }: Entry): string {
  const named = Object.entries(target).filter(([name]) => name !== "project_id");
  const { name, email, title } = detail;
  const said = [name, email, title].find((value) => typeof value === "string");
  return said ? String(said) : named.map(([, value]) => value).join(", ");
}

interface EntryDrawerProps {
  id: string;
  /** The project whose log has the entry, "" for that of all. */
  project: string;
  known: Entry | undefined;
  nameOf: (projectId: string) => string;
  onClose: () => void;
}

/** Return an entry. An entry's id is its place, so it is the first that follows the place before it. */
async function load(id: string, project: string, signal: AbortSignal): Promise<Entry> {
  const [time, number] = id.split("-");
  const query = { limit: 1, starting_after: `${time}-${Number(number) + 1}`, ...(project ? { project } : {}) };
  const page = await data(adminApi().GET("/admin/api/audit", { params: { query }, signal }));
  const [entry] = page.data;
  if (entry?.id !== id) throw new ApiFailure({ message: t("The log has no such entry"), status: 404 });
  return entry;
}

/** The drawer of an entry. */
export function EntryDrawer({ id, project, known, nameOf, onClose }: EntryDrawerProps) {
  const loaded = useQuery(known ? null : `settings audit entry ${id} ${project}`, (signal) => load(id, project, signal));
  const query = known ? { ...loaded, data: known } : loaded;
  return (
    <Drawer title={query.data?.summary || t("Entry")} onClose={onClose}>
      <Loaded query={query} what={t("The entry could not be loaded")}>
        {(entry) => <Content entry={entry} nameOf={nameOf} />}
      </Loaded>
    </Drawer>
  );
}

function Content({ entry, nameOf }: { entry: Entry; nameOf: (projectId: string) => string }) {
  const outcome = OUTCOMES[entry.outcome] ?? { tone: "neutral" as const, label: entry.outcome };
  const targets = Object.entries(entry.target).filter(([name]) => name !== "project_id");
  return (
    <>
      <Properties
        items={[
          [t("When"), dateTime(entry.at)],
          [t("Who"), entry.actor],
          [t("Proven by"), PROOFS[entry.via] ?? entry.via],
          [t("From"), entry.address && <code>{entry.address}</code>],
          [
            t("Outcome"),
            <>
              <Status tone={outcome.tone}>{outcome.label}</Status> {entry.error && <span class="quiet">{entry.error}</span>}
            </>,
          ],
          [t("Project"), entry.project_id && <a href={`projects/${entry.project_id}`}>{nameOf(entry.project_id)}</a>],
          ...targets.map(([name, value]): [string, ComponentChildren] => [name, <Copy text={value} />]),
          [t("Fields sent"), entry.changed.join(", ")],
          [t("Operation"), <Copy text={entry.action} />],
          [t("Entry"), <Copy text={entry.id} />],
        ]}
      />
      {Object.keys(entry.detail).length > 0 && <Code json={entry.detail} label={t("Details")} />}
      <div class="actions">
        <Button size="small" icon="filter" href={`settings/audit?actor=${encodeURIComponent(entry.actor)}`}>
          {t("Only this actor")}
        </Button>
        <Button size="small" icon="filter" href={`settings/audit?action=${encodeURIComponent(entry.action)}`}>
          {t("Only this operation")}
        </Button>
      </div>
    </>
  );
}
