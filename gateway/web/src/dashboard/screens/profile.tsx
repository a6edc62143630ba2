/** The reader's own account: name, password and theme. */

import { request } from "../core/api.ts";
import { toast } from "../core/live_region.ts";
import { loadSession, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { setTheme, type Theme, useTheme } from "../core/theme.ts";
import { Secret, TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Card, Page, Properties } from "../kit/page.tsx";
import { Tabs } from "../kit/tabs.tsx";

export default function Profile() {
  const { me } = useSession();
  const theme = useTheme();

  async function rename({ name }: Record<string, string>): Promise<void> {
    await request("PATCH", "api/me", { name });
    await loadSession();
    toast(t("Your name is saved"), "ok");
  }

  async function changePassword({ current, password }: Record<string, string>): Promise<void> {
    await request("PUT", "api/me/password", { current_password: current, password });
    toast(t("Your password is changed, and your other sessions have ended"), "ok");
  }

  const themes = [
    { id: "system", label: t("As the system") },
    { id: "light", label: t("Light") },
    { id: "dark", label: t("Dark") },
  ];
  return (
    <Page title={t("Profile")} narrow>
      <Card title={t("You")}>
        <Properties items={[[t("Email"), me.admin.email], [t("Role"), me.role]]} />
        <Form onSubmit={rename} submit={t("Save")}>
          <TextInput name="name" label={t("Name")} initial={me.admin.name} required maxLength={255} autocomplete="name" />
        </Form>
      </Card>
      <Card title={t("Password")}>
        <Form onSubmit={changePassword} submit={t("Change password")} submitKind="secondary">
          <Secret name="current" label={t("Present password")} autocomplete="current-password" required />
          <Secret name="password" label={t("New password")} minLength={12} required hint={t("At least {n} characters", { n: 12 })} />
        </Form>
      </Card>
      <Card title={t("Theme")} text={t("For this browser.")}>
        <Tabs segmented label={t("Theme")} tabs={themes} value={theme} onChange={(id) => setTheme(id as Theme)} />
      </Card>
    </Page>
  );
}
