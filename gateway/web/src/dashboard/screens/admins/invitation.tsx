/** An invitation, and the address by which the invited person chooses a password. */

import { useState } from "preact/hooks";
import { adminApi, data } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { dateTime } from "../../core/format.ts";
import { invalidate } from "../../core/query.ts";
import { type Roles, useSession } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Code } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Note } from "../../kit/page.tsx";
import { RolesField } from "./roles.tsx";

export type Invitation = components["schemas"]["Invitation"];

/** Return where somebody is an owner: in all workspaces, or in one. */
function ownedBy(roles: Roles): string {
  return roles["*"] === "owner" ? "*" : (Object.keys(roles).find((where) => roles[where] === "owner") ?? "*");
}

/** The dialog that invites somebody. */
export function Invite({ onClose }: { onClose: () => void }) {
  const { me } = useSession();
  const [roles, setRoles] = useState<Roles>(() => ({ [ownedBy(me.admin.roles)]: "viewer" }));
  const [invitation, setInvitation] = useState<Invitation>();

  const bodyOf = ({ email = "", name = "" }: Record<string, string>) => ({ email, roles, ...(name ? { name } : {}) });

  async function invite(values: Record<string, string>): Promise<void> {
    setInvitation(await data(adminApi().POST("/admin/api/admins", { body: bodyOf(values) })));
    invalidate("settings admins");
  }

  if (invitation) return <OneUseAddress invitation={invitation} onClose={onClose} />;
  return (
    <Dialog title={t("Invite an admin")} onClose={onClose}>
      <Form
        onSubmit={invite}
        submit={t("Invite")}
        curl={(values) => ({ method: "POST", path: "/admin/api/admins", body: bodyOf(values) })}
        extra={<Button onClick={onClose}>{t("Cancel")}</Button>}
      >
        <TextInput name="email" type="email" label={t("Email")} required maxLength={255} autofocus />
        <TextInput name="name" label={t("Name")} optional maxLength={255} />
        <RolesField roles={roles} onRoles={setRoles} />
      </Form>
    </Dialog>
  );
}

/** The dialog with an address that works once. It is shown once. */
export function OneUseAddress({ invitation, onClose }: { invitation: Invitation; onClose: () => void }) {
  const { admin, link, link_ends_at } = invitation;
  return (
    <Dialog title={t("Pass this address on")} onClose={onClose} footer={<Button kind="primary" onClick={onClose}>{t("Done")}</Button>}>
      <p>{t("With it, {email} chooses a password and is signed in.", { email: admin.email })}</p>
      <Code text={link} label={t("Address")} wrap />
      <Note tone="warning">
        {t("It works once, until {time}. It is not shown again: whoever has it can sign in as this person.", { time: dateTime(link_ends_at) })}
      </Note>
    </Dialog>
  );
}
