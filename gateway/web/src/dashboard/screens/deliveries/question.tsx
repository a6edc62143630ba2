/** The question of the screen, as a form: a user, and a notification. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { navigate } from "../../core/router.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { isId, userName } from "./lookup.ts";

/** The form. With both fields it leads to the trace, with one of them to what can be chosen for the other. */
export function QuestionForm({ projectId, user = "", notification = "" }: { projectId: string; user?: string; notification?: string }) {
  const [who, setWho] = useState(user);
  const [what, setWhat] = useState(notification);

  async function ask(): Promise<void> {
    let [name, id] = [userName(who), what.trim().toLowerCase()];
    if (id && !isId(id)) throw new ApiFailure({ message: t("This is not the id of a notification. Each has one like 0198c2f1-…."), fields: { notification: t("Paste the id of a notification") } });
    if (name && !id && isId(name) && !(await isUser(name))) [name, id] = ["", name];
    const query = new URLSearchParams();
    if (name) query.set("user", name);
    if (id) query.set("notification", id);
    if (!name && !id) throw new ApiFailure({ message: t("Name a user, a notification, or both"), fields: { user: t("Name a user, a notification, or both") } });
    navigate(`projects/${projectId}/deliveries?${query}`);
  }

  /** Return whether an id is that of a user. People paste either id into either field. */
  async function isUser(id: string): Promise<boolean> {
    try {
      await data(projectApi(projectId).GET("/v2/users/{user}", { params: { path: { user: id } } }));
      return true;
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 404) return false;
      throw error;
    }
  }

  return (
    <Form class="question" onSubmit={ask}>
      <TextInput name="user" label={t("User")} value={who} onValue={setWho} placeholder={t("Email, external id or id")} />
      <TextInput name="notification" label={t("Notification")} value={what} onValue={setWhat} placeholder={t("Id of the notification")} mono />
      <Button type="submit" kind="primary" icon="search">
        {t("Explain")}
      </Button>
    </Form>
  );
}
