/** The first project, right after the setup. */

import { request } from "../core/api.ts";
import { navigate } from "../core/router.ts";
import { loadSession, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Card, Page } from "../kit/page.tsx";
import { Empty } from "../kit/states.tsx";

/** The page for somebody who has no project. */
export function FirstProject() {
  const { can } = useSession();
  if (!can("admin")) {
    return (
      <Page title={t("Welcome")}>
        <Empty icon="folder" title={t("You have no project")}>
          {t("An owner can give you a role in the workspace of one.")}
        </Empty>
      </Page>
    );
  }

  async function create({ name }: Record<string, string>): Promise<void> {
    const { id } = await request<{ id: string | number }>("POST", "api/projects", { name });
    await loadSession();
    navigate(`projects/${id}`, { replace: true });
  }

  return (
    <Page title={t("Welcome")} text={t("A project has its own users, keys and channels. Most products have one, or one for each stage.")} narrow>
      <Card title={t("Create your first project")}>
        <Form onSubmit={create} submit={t("Create project")}>
          <TextInput name="name" label={t("Name")} placeholder={t("Acme")} required maxLength={255} autofocus />
        </Form>
      </Card>
    </Page>
  );
}
