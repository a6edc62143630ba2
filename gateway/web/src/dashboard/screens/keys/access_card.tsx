/** Who may call from a browser: proofs of users, and the origins of pages. */

import { useState } from "preact/hooks";
import { adminApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { t } from "../../core/text.ts";
import { confirm } from "../../kit/confirm.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Switch, Textarea } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card } from "../../kit/page.tsx";
import type { ProjectKeys } from "./secret_card.tsx";

export function AccessCard({ project, onChange }: { project: ProjectKeys; onChange: () => void }) {
  const [busy, setBusy] = useState(false);
  const path = `/admin/api/projects/${project.id}`;

  async function change(body: { hmac_enabled?: boolean; allowed_origins?: string[] }): Promise<void> {
    await adminApi().PATCH("/admin/api/projects/{project_id}", { params: { path: { project_id: project.id } }, body: body as never });
    onChange();
  }

  async function switchHmac(on: boolean): Promise<void> {
    const agreed = await confirm(
      on
        ? {
            title: t("Require proof of who users are?"),
            text: t("Pages that name a user without an HMAC or a token stop working at once. Make sure that your backend signs its users."),
            action: t("Require proof"),
          }
        : {
            title: t("Let anybody read any inbox?"),
            text: t("Whoever knows the API key, which every page shows, and guesses a user's id or email can read and change this user's notifications. Do this for development only."),
            action: t("Switch the proof off"),
            danger: true,
          },
    );
    if (!agreed) return;
    setBusy(true);
    try {
      await change({ hmac_enabled: on });
      toast(on ? t("Users must prove who they are") : t("Users no longer have to prove who they are"), on ? "ok" : "danger");
    } finally {
      setBusy(false);
    }
  }

  async function saveOrigins({ origins = "" }: Record<string, string>): Promise<void> {
    await change({ allowed_origins: origins.split(/[\s,]+/).filter(Boolean) });
    toast(t("The origins are saved"), "ok");
  }

  return (
    <Card title={t("Browsers")} actions={<CopyCurl call={{ method: "PATCH", path, body: { hmac_enabled: project.hmac_enabled, allowed_origins: project.allowed_origins } }} />}>
      <Switch
        label={t("Users must prove who they are")}
        hint={project.hmac_enabled ? t("By an HMAC or a token that your backend makes.") : t("Anybody who knows a user's id can now read the inbox.")}
        checked={project.hmac_enabled}
        disabled={busy}
        onChange={(on) => void switchHmac(on)}
      />
      <Form key={project.allowed_origins.join()} onSubmit={saveOrigins} submit={t("Save the origins")} submitKind="secondary">
        <Textarea
          name="origins"
          label={t("Allowed origins")}
          rows={3}
          mono
          initial={project.allowed_origins.join("\n")}
          placeholder={"https://app.example.com\nhttps://*.example.com"}
          hint={t("One per line. Without any, the origins of INBOX_ALLOWED_ORIGINS may call.")}
        />
      </Form>
    </Card>
  );
}
