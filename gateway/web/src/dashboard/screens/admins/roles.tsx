/** The roles of an admin: one in all workspaces, or one in each of some. */

import { adminApi, data } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { ROLES, type Role, type Roles } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Badge } from "../../kit/badge.tsx";
import { Button, IconButton } from "../../kit/button.tsx";
import { Select } from "../../kit/fields.tsx";

const EVERYWHERE = "*";

/** What each role may do, in a sentence. */
export const MEANINGS: Record<Role, string> = {
  viewer: t("Sees everything but secrets."),
  editor: t("Sends notifications and broadcasts, and changes users."),
  admin: t("Changes projects, channels and keys, and reads the audit log."),
  owner: t("Changes admins and workspaces, and deletes projects."),
};

/** Return the workspaces, as options. */
export function useWorkspaceOptions(): { value: string; label: string }[] {
  const workspaces = useQuery("settings workspaces", (signal) => data(adminApi().GET("/admin/api/workspaces", { signal })));
  const options = (workspaces.data?.data ?? []).map(({ id, title }) => ({ value: id, label: title }));
  return [{ value: EVERYWHERE, label: t("All workspaces") }, ...options];
}

/** Roles as labels. */
export function RoleBadges({ roles }: { roles: Record<string, string> }) {
  const options = useWorkspaceOptions();
  const title = (where: string) => options.find(({ value }) => value === where)?.label ?? where;
  return (
    <span class="actions">
      {Object.entries(roles).map(([where, role]) => (
        <Badge key={where} tone={role === "owner" ? "accent" : "neutral"}>
          {where === EVERYWHERE ? role : `${role} · ${title(where)}`}
        </Badge>
      ))}
      {Object.keys(roles).length === 0 && <span class="quiet">{t("None")}</span>}
    </span>
  );
}

/** A field for roles: a row for each workspace. */
export function RolesField({ roles, onRoles }: { roles: Roles; onRoles: (roles: Roles) => void }) {
  const options = useWorkspaceOptions();
  const entries = Object.entries(roles);
  const free = options.filter(({ value }) => !(value in roles));
  const roleOptions = ROLES.map((value) => ({ value, label: value }));

  function change(index: number, where: string, role: Role): void {
    onRoles(Object.fromEntries(entries.map((entry, at) => (at === index ? [where, role] : entry))));
  }

  return (
    <fieldset class="roles">
      <legend>{t("Roles")}</legend>
      {entries.map(([where, role], index) => (
        <div key={where} class="role-row">
          <Select
            bare
            label={t("Role")}
            options={roleOptions}
            value={role}
            onValue={(value) => change(index, where, value as Role)}
          />
          <Select
            bare
            label={t("Workspace")}
            options={options.filter(({ value }) => value === where || !(value in roles))}
            value={where}
            onValue={(value) => change(index, value, role)}
          />
          <IconButton
            icon="close"
            label={t("Remove this role")}
            disabled={entries.length === 1}
            onClick={() => onRoles(Object.fromEntries(entries.filter((_, at) => at !== index)))}
          />
        </div>
      ))}
      {entries.length === 1 && <p class="hint">{MEANINGS[entries[0]?.[1] as Role]}</p>}
      {free[0] && (
        <Button size="small" kind="quiet" icon="plus" onClick={() => onRoles({ ...roles, [free[0]?.value as string]: "viewer" })}>
          {t("Add a role")}
        </Button>
      )}
    </fieldset>
  );
}
