/** The reader's own account: name, password and theme. */

import { adminApi } from "../core/api.ts";
import { toast } from "../core/live_region.ts";
import { invalidate } from "../core/query.ts";
import { loadSession, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { setTheme, type Theme, useTheme } from "../core/theme.ts";
import { Badge } from "../kit/badge.tsx";
import { Secret, TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Card, Page, Properties } from "../kit/page.tsx";
import { Tabs } from "../kit/tabs.tsx";

const PASSWORD_LENGTH = 12;

/** The screen. */
export default function Profile() {
  const { me, projects } = useSession();
  const theme = useTheme();
  const titles = new Map(projects.map(({ workspace }) => [workspace.id, workspace.title]));
  const roles = Object.entries(me.admin.roles).map(([where, role]) => (
    <Badge key={where}>{where === "*" ? role : t("{role} in {workspace}", { role, workspace: titles.get(where) ?? where })}</Badge>
  ));

  async function rename({ name = "" }: Record<string, string>): Promise<void> {
    await adminApi().PATCH("/admin/api/me", { body: { name } });
    await loadSession();
    toast(t("Your name is saved"), "ok");
  }

  async function changePassword({ password = "" }: Record<string, string>): Promise<void> {
    await adminApi().POST("/admin/api/me/password", { body: { password } });
    await loadSession();
    invalidate("settings sessions");
    toast(t("Your password is changed, and your other sessions have ended"), "ok");
  }

  const themes = [
    { id: "system", label: t("System") },
    { id: "light", label: t("Light") },
    { id: "dark", label: t("Dark") },
  ];
  return (
    <Page title={t("Profile")} narrow>
      <Card title={t("You")}>
        <Properties items={[[t("Email"), me.admin.email], [t("Role"), <span class="actions">{roles}</span>]]} />
        <Form onSubmit={rename} submit={t("Save")} submitKind="secondary">
          <TextInput name="name" label={t("Name")} initial={me.admin.name} maxLength={255} autocomplete="name" />
        </Form>
      </Card>
      <Card title={t("Password")} text={t("A new password ends your other sessions.")}>
        <Form key={me.session_id} onSubmit={changePassword} submit={t("Change password")} submitKind="secondary">
          <input type="hidden" name="username" autocomplete="username" value={me.admin.email} />
          <Secret
            name="password"
            label={t("New password")}
            minLength={PASSWORD_LENGTH}
            required
            hint={t("At least {n} characters", { n: PASSWORD_LENGTH })}
          />
        </Form>
      </Card>
      <Card title={t("Theme")} text={t("For this browser.")}>
        <Tabs segmented label={t("Theme")} tabs={themes} value={theme} onChange={(id) => setTheme(id as Theme)} />
      </Card>
    </Page>
  );
}
