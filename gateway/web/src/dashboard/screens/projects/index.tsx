/** The projects: a list, a new one, and the settings of one. */

import { adminApi, data } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useCursorList } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { loadSession, useSession } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { useParam } from "../../core/url_state.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Select, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import type { ScreenProps } from "../../screens.ts";
import { OneProject } from "./project.tsx";
import type { AdminProject } from "./types.ts";

const COLUMNS: readonly Column<AdminProject>[] = [
  { title: t("Name"), render: (project) => project.name },
  { title: t("Workspace"), render: (project) => project.workspace.title, wide: true },
  { title: t("API key"), render: (project) => <Copy text={project.api_key} />, wide: true },
  {
    title: t("HMAC"),
    render: (project) => (project.hmac_enabled ? <Status tone="ok">{t("On")}</Status> : <Status tone="warning">{t("Off")}</Status>),
    width: "100px",
  },
  { title: t("Your role"), render: (project) => <Badge>{project.role}</Badge>, width: "110px", wide: true },
];

/** The screen. */
export default function Projects({ rest: [id] }: ScreenProps) {
  return id ? <OneProject id={id} /> : <List />;
}

function List() {
  const { can } = useSession();
  const [isNew, setNew] = useParam("new", { push: true });
  const list = useCursorList("settings projects", async (after, signal) => {
    const query = { limit: 50, ...(after ? { starting_after: after } : {}) };
    const page = await data(adminApi().GET("/admin/api/projects", { params: { query }, signal }));
    return { items: page.data, next: page.next };
  });
  const create = can("admin") && (
    <Button kind="primary" icon="plus" onClick={() => setNew("1")}>
      {t("New project")}
    </Button>
  );
  return (
    <Page
      title={t("Projects")}
      text={t("Each project has its own users, keys and channels.")}
      actions={
        <>
          <CopyCurl call={{ path: "/admin/api/projects" }} />
          {create}
        </>
      }
    >
      <CursorTable
        label={t("Projects")}
        list={list}
        columns={COLUMNS}
        rowKey={({ id }) => id}
        rowHref={({ id }) => `settings/projects/${id}`}
        what={t("The projects could not be loaded")}
        empty={<Empty icon="folder" title={t("No projects yet")} action={create} />}
      />
      {isNew && can("admin") && <NewProject onClose={() => setNew(null)} />}
    </Page>
  );
}

/** The workspaces of the projects that this person may administer. */
function useWorkspaces(): { value: string; label: string }[] {
  const { projects, me } = useSession();
  const found = new Map(projects.map(({ workspace }) => [workspace.id, workspace.title]));
  const isAdmin = (id: string) => [me.admin.roles[id], me.admin.roles["*"]].some((role) => role === "admin" || role === "owner");
  return [...found].filter(([id]) => isAdmin(id)).map(([value, label]) => ({ value, label }));
}

function NewProject({ onClose }: { onClose: () => void }) {
  const workspaces = useWorkspaces();

  const bodyOf = ({ name = "", workspace_id }: Record<string, string>) => ({ name, ...(workspace_id ? { workspace_id } : {}) });

  async function create(values: Record<string, string>): Promise<void> {
    const { id } = await data(adminApi().POST("/admin/api/projects", { body: bodyOf(values) }));
    await loadSession();
    toast(t("The project is created"), "ok");
    onClose();
    navigate(`settings/projects/${id}`);
  }

  return (
    <Dialog title={t("New project")} onClose={onClose}>
      <Form
        onSubmit={create}
        submit={t("Create project")}
        curl={(values) => ({ method: "POST", path: "/admin/api/projects", body: bodyOf(values) })}
        extra={<Button onClick={onClose}>{t("Cancel")}</Button>}
      >
        <TextInput name="name" label={t("Name")} required maxLength={255} autofocus />
        {workspaces.length > 1 && <Select name="workspace_id" label={t("Workspace")} options={workspaces} />}
      </Form>
    </Dialog>
  );
}
