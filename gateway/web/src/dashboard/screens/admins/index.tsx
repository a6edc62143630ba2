/** The admins: who may sign in, and what each may do. */

import { useState } from "preact/hooks";
import { adminApi, data } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { ROLES, useSession } from "../../core/session.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { useFilters, useParam, withParams } from "../../core/url_state.ts";
import { Badge, Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { FilterBar, FilterSelect, SearchField } from "../../kit/filters.tsx";
import { Page } from "../../kit/page.tsx";
import { Loaded, NothingMatches } from "../../kit/states.tsx";
import { type Column, Table, TableSkeleton } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import { type Admin, AdminDrawer } from "./admin_drawer.tsx";
import css from "./admins.css";
import { Invite } from "./invitation.tsx";
import { RoleBadges } from "./roles.tsx";

const COLUMNS: readonly Column<Admin>[] = [
  { title: t("Person"), render: (admin) => <Person admin={admin} /> },
  { title: t("Roles"), render: ({ roles }) => <RoleBadges roles={roles} />, wide: true },
  {
    title: t("Last sign-in"),
    width: "160px",
    render: ({ signed_in_at, has_password }) =>
      signed_in_at ? <Time at={signed_in_at} /> : has_password ? t("Never") : <Status tone="warning">{t("Invited")}</Status>,
  },
];

function Person({ admin }: { admin: Admin }) {
  const { me } = useSession();
  return (
    <span class="person">
      <span class="avatar round" aria-hidden="true">
        {(admin.name || admin.email).slice(0, 1).toUpperCase()}
      </span>
      <span>
        <span>
          {admin.name || admin.email} {admin.id === me.admin.id && <Badge>{t("You")}</Badge>}
        </span>
        {admin.name && <span class="quiet small">{admin.email}</span>}
      </span>
    </span>
  );
}

/** The screen. */
export default function Admins() {
  useStyles(css);
  const { can } = useSession();
  const filters = useFilters("query", "role");
  const [shown, show] = useParam("admin", { push: true });
  const [isInviting, setInviting] = useState(false);
  const admins = useQuery("settings admins", (signal) => data(adminApi().GET("/admin/api/admins", { signal })));
  const { query, role } = filters.values;
  const fits = ({ name, email, roles }: Admin) =>
    `${name} ${email}`.toLowerCase().includes(query.toLowerCase()) && (!role || Object.values(roles).includes(role));
  const roleOptions = [{ value: "", label: t("All roles") }, ...ROLES.map((value) => ({ value, label: value }))];
  return (
    <Page
      title={t("Admins")}
      text={t("Who may sign in, and what each may do.")}
      actions={
        <>
          <CopyCurl call={{ path: "/admin/api/admins" }} />
          {can("owner") && (
            <Button kind="primary" icon="plus" onClick={() => setInviting(true)}>
              {t("Invite")}
            </Button>
          )}
        </>
      }
    >
      <FilterBar filters={filters}>
        <SearchField label={t("Name or email")} value={query} onValue={(value) => filters.set("query", value)} />
        <FilterSelect label={t("Role")} value={role} onValue={(value) => filters.set("role", value)} options={roleOptions} />
      </FilterBar>
      <Loaded query={admins} what={t("The admins could not be loaded")} skeleton={<TableSkeleton columns={COLUMNS} rows={4} />}>
        {({ data: all }) => {
          const rows = all.filter(fits);
          if (rows.length === 0) return <NothingMatches onClear={filters.clear} />;
          return (
            <Table
              label={t("Admins")}
              columns={COLUMNS}
              rows={rows}
              rowKey={({ id }) => id}
              rowHref={({ id }) => withParams({ admin: id })}
              isCurrent={({ id }) => id === shown}
            />
          );
        }}
      </Loaded>
      {shown && <AdminDrawer key={shown} id={shown} onClose={() => show(null)} />}
      {isInviting && <Invite onClose={() => setInviting(false)} />}
    </Page>
  );
}
