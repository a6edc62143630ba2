/** The API key and the API secret. The secret is here only after the password, and goes by itself. */

import { useEffect, useState } from "preact/hooks";
import { adminApi, data } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Select } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card, Note, Properties } from "../../kit/page.tsx";
import { countdown, useSecondsLeft } from "./countdown.ts";

/** What the screen knows of its project. */
export interface ProjectKeys {
  readonly id: string;
  readonly api_key: string;
  readonly hmac_enabled: boolean;
  readonly allowed_origins: readonly string[];
  readonly has_secret: boolean;
  readonly former_secret_ends_at: number | null;
}

const SHOWN_MS = 60_000;

const OVERLAPS = [
  [0, t("At once")],
  [3600, t("After an hour")],
  [86_400, t("After a day")],
  [604_800, t("After a week")],
  [2_592_000, t("After 30 days")],
] as const;

const rotation = (overlap: string) => ({ overlap_seconds: Number(overlap) });

export function SecretCard({ project, onChange }: { project: ProjectKeys; onChange: () => void }) {
  const [secret, setSecret] = useState<string>();
  const [rotating, setRotating] = useState(false);
  const params = { path: { project_id: project.id } };
  const base = `/admin/api/projects/${project.id}/secret`;

  useEffect(() => {
    if (secret === undefined) return;
    const timer = setTimeout(() => setSecret(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [secret]);

  async function reveal(): Promise<void> {
    const found = await data(adminApi().POST("/admin/api/projects/{project_id}/secret", { params }));
    setSecret(found.api_secret);
  }

  async function rotate({ overlap = "0" }: Record<string, string>): Promise<void> {
    const found = await data(adminApi().POST("/admin/api/projects/{project_id}/secret/rotate", { params, body: rotation(overlap) }));
    setRotating(false);
    setSecret(found.api_secret);
    toast(t("The secret is new. Copy it into your backend."), "ok");
    onChange();
  }

  return (
    <Card
      title={t("API key and secret")}
      text={t("Your backend calls with both. The secret also signs your users.")}
      actions={<CopyCurl call={{ method: "POST", path: base }} />}
    >
      <Properties
        items={[
          [t("API key"), <Copy text={project.api_key} label={t("Copy the API key")} />],
          [
            t("API secret"),
            project.has_secret ? (
              <span class="secret-line">
                {secret === undefined ? <code aria-label={t("Hidden")}>••••••••••••••••••••••••</code> : <Copy text={secret} label={t("Copy the secret")} />}
                {secret === undefined ? (
                  <Button size="small" icon="eye" onClick={reveal}>
                    {t("Reveal")}
                  </Button>
                ) : (
                  <Button size="small" onClick={() => setSecret(undefined)}>
                    {t("Hide")}
                  </Button>
                )}
                <Button size="small" icon="refresh" onClick={() => setRotating(true)}>
                  {t("Rotate")}
                </Button>
              </span>
            ) : (
              t("It was encrypted with another INBOX_SECRET_KEY.")
            ),
          ],
        ]}
      />
      {secret !== undefined && <p class="quiet small">{t("It is hidden again after a minute.")}</p>}
      {project.former_secret_ends_at !== null && <FormerSecret project={project} endsAt={project.former_secret_ends_at} onChange={onChange} />}
      {rotating && (
        <Dialog title={t("Rotate the API secret")} onClose={() => setRotating(false)}>
          <Form
            onSubmit={rotate}
            submit={t("Rotate")}
            submitKind="danger"
            curl={({ overlap = "0" }) => ({ method: "POST", path: `${base}/rotate`, body: rotation(overlap) })}
            extra={<Button onClick={() => setRotating(false)}>{t("Cancel")}</Button>}
          >
            <p>{t("The project gets a new secret. Until the old one ends, both are accepted, so that you can change your backend without a gap.")}</p>
            <Select
              name="overlap"
              label={t("The old secret ends")}
              initial="86400"
              options={OVERLAPS.map(([seconds, label]) => ({ value: String(seconds), label }))}
              hint={t("The HMACs and tokens that it has signed end with it, and so do their live connections.")}
            />
            {project.former_secret_ends_at !== null && <Note tone="warning">{t("An older secret is still accepted. It ends now.")}</Note>}
          </Form>
        </Dialog>
      )}
    </Card>
  );
}

function FormerSecret({ project, endsAt, onChange }: { project: ProjectKeys; endsAt: number; onChange: () => void }) {
  const left = useSecondsLeft(endsAt);
  useEffect(() => {
    if (left === 0) onChange();
  }, [left === 0]);

  async function end(): Promise<void> {
    const agreed = await confirm({
      title: t("End the old secret now?"),
      text: t("Calls with it are refused, and so are the HMACs and tokens that it has signed. Their live connections close."),
      action: t("End the old secret"),
      danger: true,
      curl: { method: "DELETE", path: `/admin/api/projects/${project.id}/secret/former` },
    });
    if (!agreed) return;
    await adminApi().DELETE("/admin/api/projects/{project_id}/secret/former", { params: { path: { project_id: project.id } } });
    toast(t("The old secret has ended"), "ok");
    onChange();
  }

  return (
    <Note tone="warning">
      <div class="former">
        <p>
          {t("The old secret is still accepted. It ends in")} <b class="countdown">{countdown(left)}</b>
        </p>
        <Button size="small" onClick={end}>
          {t("End it now")}
        </Button>
      </div>
    </Note>
  );
}
