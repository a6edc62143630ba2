/** The dialog that creates a user, or changes one. */

import { data, projectApi } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Textarea, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import type { ProjectUser } from "./people.ts";

interface Attributes {
  external_id?: string;
  email?: string;
  first_name?: string;
  last_name?: string;
  phone_numbers?: string[];
  custom_attributes?: Record<string, unknown>;
}

/** Return the attributes that a form has. Empty fields are left out. Raises ApiFailure for attributes that are no JSON. */
function attributesOf(values: Record<string, string>): Attributes {
  const found: Attributes = {};
  for (const name of ["external_id", "email", "first_name", "last_name"] as const) {
    const text = values[name]?.trim();
    if (text) found[name] = text;
  }
  const numbers = (values.phone_numbers ?? "").split(/[\n,;]+/).map((number) => number.trim());
  if (numbers.some(Boolean)) found.phone_numbers = numbers.filter(Boolean);
  const json = values.custom_attributes?.trim();
  if (json) found.custom_attributes = objectIn(json);
  return found;
}

function objectIn(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Explained below.
  }
  const message = t("Write an object in JSON, such as {example}", { example: '{"plan": "pro"}' });
  throw new ApiFailure({ message, fields: { custom_attributes: message } });
}

function Fields({ user }: { user?: ProjectUser }) {
  const attributes = user?.custom_attributes;
  return (
    <>
      <div class="pair">
        <TextInput name="external_id" label={t("External id")} hint={t("The id of the user in your application.")} initial={user?.external_id ?? ""} maxLength={255} mono autofocus />
        <TextInput name="email" type="email" label={t("Email")} hint={t("One of the two is needed.")} initial={user?.email ?? ""} maxLength={255} />
      </div>
      <div class="pair">
        <TextInput name="first_name" label={t("First name")} initial={user?.first_name ?? ""} maxLength={50} optional />
        <TextInput name="last_name" label={t("Last name")} initial={user?.last_name ?? ""} maxLength={50} optional />
      </div>
      <TextInput name="phone_numbers" label={t("Phone numbers")} hint={t("Separated by commas.")} initial={user?.phone_numbers?.join(", ") ?? ""} optional />
      <Textarea name="custom_attributes" label={t("Attributes")} hint={t("Conditions of broadcasts can refer to them.")} initial={attributes ? JSON.stringify(attributes, null, 2) : ""} rows={3} mono optional />
    </>
  );
}

/** The dialog that creates a user, and leads to the page of the user. */
export function CreateUser({ projectId, onClose }: { projectId: string; onClose: () => void }) {
  async function create(values: Record<string, string>): Promise<void> {
    const user = await data(projectApi(projectId).POST("/v2/users", { body: attributesOf(values) }));
    invalidate(`${projectId} users`);
    toast(t("The user is created"), "ok");
    navigate(`projects/${projectId}/users/${user.id}`, { replace: true });
  }
  return (
    <Dialog title={t("New user")} onClose={onClose}>
      <Form onSubmit={create} submit={t("Create user")} curl={(values) => ({ method: "POST", path: "/v2/users", body: attributesOf(values) })} extra={<Button onClick={onClose}>{t("Cancel")}</Button>}>
        <Fields />
      </Form>
    </Dialog>
  );
}

/** The dialog that changes a user. Fields that are emptied keep their value, as in the API. */
export function EditUser({ projectId, user, onClose }: { projectId: string; user: ProjectUser; onClose: () => void }) {
  async function save(values: Record<string, string>): Promise<void> {
    const body = { user: attributesOf(values) };
    try {
      await projectApi(projectId).PUT("/users/{user}", { params: { path: { user: user.id } }, body });
    } catch (error) {
      throw error instanceof ApiFailure ? withoutPrefix(error) : error;
    }
    invalidate(`${projectId} user`);
    toast(t("The user is saved"), "ok");
    onClose();
  }
  return (
    <Dialog title={t("Edit user")} onClose={onClose}>
      <Form onSubmit={save} submit={t("Save")} curl={(values) => ({ method: "PUT", path: `/users/${user.id}`, body: { user: attributesOf(values) } })} extra={<Button onClick={onClose}>{t("Cancel")}</Button>}>
        <Fields user={user} />
      </Form>
    </Dialog>
  );
}

/** Return a failure whose fields have the names of the form: this operation names them `user.email`. */
function withoutPrefix(failure: ApiFailure): ApiFailure {
  const { message, suggestion, code, status, requestId } = failure;
  const fields = Object.fromEntries(Object.entries(failure.fields).map(([name, text]) => [name.replace(/^user\./, ""), text]));
  return new ApiFailure({ message, suggestion, code, status, requestId, fields });
}
