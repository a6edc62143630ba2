/** The workspaces: groups of projects, in which an admin has one role. */

import { useState } from "preact/hooks";
import { adminApi, data } from "../core/api.ts";
import type { components } from "../core/api_types.d.ts";
import { toast } from "../core/live_region.ts";
import { invalidate, useQuery } from "../core/query.ts";
import { loadSession, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { Copy, CopyCurl } from "../kit/copy.tsx";
import { Dialog } from "../kit/dialog.tsx";
import { TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Page } from "../kit/page.tsx";
import { Empty, Loaded } from "../kit/states.tsx";
import { type Column, Table, TableSkeleton } from "../kit/table.tsx";

type Workspace = components["schemas"]["AdminWorkspace"];

/** The screen. */
export default function Workspaces() {
  const { me, projects } = useSession();
  const [edited, edit] = useState<Workspace | "new" | null>(null);
  const workspaces = useQuery("settings workspaces", (signal) => data(adminApi().GET("/admin/api/workspaces", { signal })));
  const countOf = (id: string) => projects.filter(({ workspace }) => workspace.id === id).length;
  const columns: readonly Column<Workspace>[] = [
    { title: t("Title"), render: ({ title }) => title },
    { title: t("Number"), render: ({ id }) => <Copy text={id} />, width: "120px", wide: true },
    { title: t("Projects"), render: ({ id }) => countOf(id), align: "end", width: "100px" },
    { title: t("Your role"), render: ({ role }) => <Badge>{role}</Badge>, width: "110px", wide: true },
    {
      title: "",
      align: "end",
      width: "110px",
      render: (workspace) =>
        workspace.role === "owner" && (
          <Button size="small" onClick={() => edit(workspace)}>
            {t("Rename")}
          </Button>
        ),
    },
  ];
  return (
    <Page
      title={t("Workspaces")}
      text={t("A workspace groups projects. Admins have a role in one workspace, or in all of them.")}
      actions={
        <>
          <CopyCurl call={{ path: "/admin/api/workspaces" }} />
          {me.admin.roles["*"] === "owner" && (
            <Button kind="primary" icon="plus" onClick={() => edit("new")}>
              {t("New workspace")}
            </Button>
          )}
        </>
      }
    >
      <Loaded query={workspaces} what={t("The workspaces could not be loaded")} skeleton={<TableSkeleton columns={columns} rows={3} />}>
        {({ data: rows }) =>
          rows.length ? (
            <Table label={t("Workspaces")} columns={columns} rows={rows} rowKey={({ id }) => id} />
          ) : (
            <Empty icon="folder" title={t("You have no role in any workspace")} />
          )
        }
      </Loaded>
      {edited && <Title workspace={edited === "new" ? null : edited} onClose={() => edit(null)} />}
    </Page>
  );
}

function Title({ workspace, onClose }: { workspace: Workspace | null; onClose: () => void }) {
  async function save({ title = "" }: Record<string, string>): Promise<void> {
    const body = { title };
    if (workspace) {
      await adminApi().PATCH("/admin/api/workspaces/{workspace_id}", { params: { path: { workspace_id: workspace.id } }, body });
    } else await adminApi().POST("/admin/api/workspaces", { body });
    invalidate("settings");
    await loadSession();
    toast(workspace ? t("The workspace is renamed") : t("The workspace is created"), "ok");
    onClose();
  }
  return (
    <Dialog title={workspace ? t("Rename workspace") : t("New workspace")} onClose={onClose}>
      <Form
        onSubmit={save}
        submit={workspace ? t("Rename") : t("Create workspace")}
        curl={({ title = "" }) => ({ method: workspace ? "PATCH" : "POST", path: `/admin/api/workspaces${workspace ? `/${workspace.id}` : ""}`, body: { title } })}
        extra={<Button onClick={onClose}>{t("Cancel")}</Button>}
      >
        <TextInput name="title" label={t("Title")} initial={workspace?.title ?? ""} required maxLength={255} autofocus />
      </Form>
    </Dialog>
  );
}
