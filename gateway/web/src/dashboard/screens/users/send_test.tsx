/** The dialog that sends one notification to a user, and leads to its trace. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { invalidate } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Textarea, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Note } from "../../kit/page.tsx";
import { displayName, type ProjectUser, recipientOf } from "./people.ts";

/** The dialog. */
export function SendTest({ projectId, user, onClose, onSent }: { projectId: string; user: ProjectUser; onClose: () => void; onSent: () => void }) {
  const [title, setTitle] = useState(t("A test from the dashboard"));
  const [content, setContent] = useState("");
  const [sent, setSent] = useState("");
  const body = { notification: { title, ...(content ? { content } : {}), recipients: [recipientOf(user)] } };

  async function send(): Promise<void> {
    const answer = await data(projectApi(projectId).POST("/notifications", { body }));
    setSent(answer.notification.id);
    invalidate(`${projectId} inbox ${user.id}`);
    onSent();
  }

  return (
    <Dialog title={t("Send a test to {name}", { name: displayName(user) })} onClose={onClose} actions={<CopyCurl call={{ method: "POST", path: "/notifications", body }} />}>
      {sent ? (
        <>
          <Note tone="ok">
            <p>{t("It is sent. Preferences and delivery configs decide where it appears.")}</p>
          </Note>
          <div class="form-foot">
            <Button kind="primary" icon="deliveries" href={`projects/${projectId}/deliveries?user=${user.id}&notification=${sent}`}>
              {t("See what became of it")}
            </Button>
            <Button onClick={onClose}>{t("Close")}</Button>
          </div>
        </>
      ) : (
        <Form onSubmit={send} submit={t("Send")} extra={<Button onClick={onClose}>{t("Cancel")}</Button>}>
          <TextInput name="notification.title" label={t("Title")} value={title} onValue={setTitle} required maxLength={255} autofocus />
          <Textarea name="notification.content" label={t("Text")} value={content} onValue={setContent} rows={3} optional />
        </Form>
      )}
    </Dialog>
  );
}
