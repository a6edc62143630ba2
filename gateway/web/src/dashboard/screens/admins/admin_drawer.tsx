/** One admin: what this person may do, and what an owner can change. */

import { useState } from "preact/hooks";
import { adminApi, data } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { loadSession, type Roles, useSession } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card, Properties } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";
import { Time } from "../../kit/time.tsx";
import { type Invitation, OneUseAddress } from "./invitation.tsx";
import { RoleBadges, RolesField } from "./roles.tsx";

export type Admin = components["schemas"]["AdminShown"];

/** The drawer of an admin. */
export function AdminDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const params = { path: { admin_id: id } };
  const admin = useQuery(`settings admins ${id}`, (signal) => data(adminApi().GET("/admin/api/admins/{admin_id}", { params, signal })));
  return (
    <Drawer
      title={admin.data?.name || admin.data?.email || t("Admin")}
      onClose={onClose}
      actions={<CopyCurl call={{ path: `/admin/api/admins/${id}` }} />}
    >
      <Loaded query={admin} what={t("The admin could not be loaded")}>
        {(found) => <Content admin={found} onClose={onClose} />}
      </Loaded>
    </Drawer>
  );
}

function Content({ admin, onClose }: { admin: Admin; onClose: () => void }) {
  const { can } = useSession();
  return (
    <>
      <Properties
        items={[
          [t("Email"), <Copy text={admin.email} />],
          [t("Id"), <Copy text={admin.id} />],
          [t("Roles"), <RoleBadges roles={admin.roles} />],
          [t("Invited"), <Time at={admin.created_at} />],
          [t("Last sign-in"), admin.signed_in_at ? <Time at={admin.signed_in_at} /> : t("Never")],
          [
            t("Activity"),
            <a href={`settings/audit?actor=${encodeURIComponent(admin.email)}`}>{t("Show in the audit log")}</a>,
          ],
        ]}
      />
      {can("owner") && <Changes key={admin.id} admin={admin} onClose={onClose} />}
    </>
  );
}

function Changes({ admin, onClose }: { admin: Admin; onClose: () => void }) {
  const { me } = useSession();
  const [roles, setRoles] = useState(admin.roles as Roles);
  const [invitation, setInvitation] = useState<Invitation>();
  const params = { path: { admin_id: admin.id } };
  const name = admin.name || admin.email;

  async function save({ name: newName = "" }: Record<string, string>): Promise<void> {
    await adminApi().PATCH("/admin/api/admins/{admin_id}", { params, body: { name: newName, roles } });
    invalidate("settings admins");
    if (admin.id === me.admin.id) await loadSession();
    toast(t("The admin is saved"), "ok");
  }

  async function createLink(): Promise<void> {
    setInvitation(await data(adminApi().POST("/admin/api/admins/{admin_id}/link", { params })));
  }

  async function endSessions(): Promise<void> {
    await adminApi().DELETE("/admin/api/admins/{admin_id}/sessions", { params });
    toast(t("All sessions of {name} have ended", { name }), "ok");
  }

  async function remove(): Promise<void> {
    const agreed = await confirm({
      title: t("Remove {name}?", { name }),
      text: t("All sessions end at once. What this person did stays in the audit log."),
      action: t("Remove"),
      danger: true,
      curl: { method: "DELETE", path: `/admin/api/admins/${admin.id}` },
    });
    if (!agreed) return;
    await adminApi().DELETE("/admin/api/admins/{admin_id}", { params });
    onClose();
    invalidate("settings admins");
    toast(t("{name} is removed", { name }), "ok");
  }

  return (
    <>
      <Card title={t("Change")} text={t("Other roles end all sessions of this person.")}>
        <Form onSubmit={save} submit={t("Save")} submitKind="secondary" curl={({ name: newName = "" }) => ({ method: "PATCH", path: `/admin/api/admins/${admin.id}`, body: { name: newName, roles } })}>
          <TextInput name="name" label={t("Name")} initial={admin.name} maxLength={255} />
          <RolesField roles={roles} onRoles={setRoles} />
        </Form>
      </Card>
      <Card title={t("Access")}>
        <div class="actions">
          <Button icon="link" onClick={createLink}>
            {admin.has_password ? t("Address for a new password") : t("New invitation")}
          </Button>
          <Button icon="leave" onClick={endSessions}>
            {t("End sessions")}
          </Button>
          <Button kind="danger" icon="trash" onClick={remove} disabled={admin.id === me.admin.id}>
            {t("Remove")}
          </Button>
        </div>
      </Card>
      {invitation && <OneUseAddress invitation={invitation} onClose={() => setInvitation(undefined)} />}
    </>
  );
}
