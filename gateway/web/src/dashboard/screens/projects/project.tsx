/** The settings of one project. Each card is saved by itself. */

import { useState } from "preact/hooks";
import { adminApi, data } from "../../core/api.ts";
import type { CurlCall } from "../../core/curl.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { allows, loadSession, type Role } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Switch, Textarea, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card, Page, Properties } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { Limits } from "./limits.tsx";
import { Retention } from "./retention.tsx";
import type { AdminProject, AdminProjectChange } from "./types.ts";

const ABOVE = [{ label: t("Projects"), href: "settings/projects" }];

/** The page of a project. */
export function OneProject({ id }: { id: string }) {
  const params = { path: { project_id: id } };
  const project = useQuery(`settings project ${id}`, (signal) =>
    data(adminApi().GET("/admin/api/projects/{project_id}", { params, signal })),
  );
  return (
    <Page
      title={project.data?.name ?? t("Project")}
      above={ABOVE}
      narrow
      actions={
        <>
          <CopyCurl call={{ path: `/admin/api/projects/${id}` }} />
          <Button href={`projects/${id}`}>{t("Open")}</Button>
        </>
      }
    >
      <Loaded query={project} what={t("The project could not be loaded")} skeleton={<Skeleton lines={8} height={32} />}>
        {(found) => <Cards project={found} />}
      </Loaded>
    </Page>
  );
}

function Cards({ project }: { project: AdminProject }) {
  const mayChange = allows(project.role as Role, "admin");

  async function change(body: AdminProjectChange): Promise<void> {
    const params = { path: { project_id: project.id } };
    await adminApi().PATCH("/admin/api/projects/{project_id}", { params, body });
    invalidate("settings project");
    await loadSession();
    toast(t("The project is saved"), "ok");
  }

  return (
    <>
      <Card title={t("General")}>
        <Properties
          items={[
            [t("Number"), project.id],
            [t("Workspace"), project.workspace.title],
            [t("API key"), <Copy text={project.api_key} />],
          ]}
        />
        {mayChange && (
          <Form
            onSubmit={({ name = "" }) => change({ name })}
            submit={t("Rename")}
            submitKind="secondary"
            curl={({ name }) => changeCall(project, { name })}
          >
            <TextInput name="name" label={t("Name")} initial={project.name} required maxLength={255} />
          </Form>
        )}
      </Card>
      <Security project={project} change={change} disabled={!mayChange} />
      <Retention project={project} change={change} disabled={!mayChange} />
      <Limits project={project} change={change} disabled={!mayChange} />
      {allows(project.role as Role, "owner") && <Deletion project={project} />}
    </>
  );
}

/** Return the operation that changes a project, as it is copied. */
export function changeCall(project: AdminProject, body: AdminProjectChange): CurlCall {
  return { method: "PATCH", path: `/admin/api/projects/${project.id}`, body };
}

interface PartProps {
  project: AdminProject;
  change: (body: AdminProjectChange) => Promise<void>;
  disabled: boolean;
}

function Security({ project, change, disabled }: PartProps) {
  const [hmac, setHmac] = useState(project.hmac_enabled);
  const [strict, setStrict] = useState(project.strict);

  const bodyOf = ({ allowed_origins = "" }: Record<string, string>) => ({
    hmac_enabled: hmac,
    strict,
    allowed_origins: allowed_origins.split(/[\s,]+/).filter(Boolean),
  });

  async function save(values: Record<string, string>): Promise<void> {
    const losesProof = project.hmac_enabled && !hmac;
    if (losesProof && !(await confirm(WITHOUT_HMAC))) return;
    await change(bodyOf(values));
  }

  return (
    <Card title={t("Security")}>
      <Form
        onSubmit={save}
        submit={disabled ? "" : t("Save")}
        submitKind="secondary"
        curl={(values) => changeCall(project, bodyOf(values))}
      >
        <Switch
          label={t("Users must prove who they are")}
          hint={t("By an HMAC or a token that your backend makes. Without it, anybody who knows the API key and a user’s id can read that inbox.")}
          checked={hmac}
          onChange={setHmac}
          disabled={disabled}
        />
        <Textarea
          name="allowed_origins"
          label={t("Allowed origins")}
          hint={t("The origins of the web pages that may call, one per line, such as https://app.example.com or https://*.example.com. Without any, those of INBOX_ALLOWED_ORIGINS may.")}
          initial={project.allowed_origins.join("\n")}
          rows={3}
          mono
          disabled={disabled}
        />
        <Switch
          label={t("Refuse unknown fields")}
          hint={t("A request with fields or parameters that an operation does not define gets an error. Otherwise they are ignored, and named in a header.")}
          checked={strict}
          onChange={setStrict}
          disabled={disabled}
        />
      </Form>
    </Card>
  );
}

const WITHOUT_HMAC = {
  title: t("Turn off the proof of identity?"),
  text: t("Anybody who knows the API key, which is public, and the id of a user can then read that user’s inbox."),
  action: t("Turn off"),
  danger: true,
};

function Deletion({ project }: { project: AdminProject }) {
  async function remove(): Promise<void> {
    const agreed = await confirm({
      title: t("Delete “{name}”?", { name: project.name }),
      text: t("Its keys are refused at once. All its users, notifications and settings are removed. This cannot be undone."),
      action: t("Delete project"),
      danger: true,
      typed: project.name,
      curl: { method: "DELETE", path: `/admin/api/projects/${project.id}` },
    });
    if (!agreed) return;
    await adminApi().DELETE("/admin/api/projects/{project_id}", { params: { path: { project_id: project.id } } });
    await loadSession();
    navigate("settings/projects");
    invalidate("settings project");
    toast(t("The project is being deleted"));
  }
  return (
    <Card title={t("Delete this project")} text={t("Its keys are refused at once, and its data is removed. This cannot be undone.")}>
      <div class="actions">
        <Button kind="danger" icon="trash" onClick={remove}>
          {t("Delete project")}
        </Button>
        <CopyCurl call={{ method: "DELETE", path: `/admin/api/projects/${project.id}` }} />
      </div>
    </Card>
  );
}
