/** Send the draft to one user, whose name this browser remembers. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { navigate } from "../../core/router.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { type Content, usersIn } from "./draft.ts";

const keyOf = (projectId: string) => `inbox-test-user-${projectId}`;

function remembered(projectId: string): string {
  try {
    return localStorage.getItem(keyOf(projectId)) ?? "";
  } catch {
    return ""; // storage is blocked
  }
}

function remember(projectId: string, user: string): void {
  try {
    localStorage.setItem(keyOf(projectId), user);
  } catch {
    // Storage is blocked. The name is asked for again next time.
  }
}

export function TestToMe({ projectId, content, disabled }: { projectId: string; content: Content; disabled: boolean }) {
  const [user, setUser] = useState(() => remembered(projectId));
  const [asking, setAsking] = useState(false);

  async function send(name: string): Promise<void> {
    const [recipient] = usersIn(name);
    if (!recipient) return;
    const body = { notification: { ...content, recipients: [recipient] } };
    const sent = await data(projectApi(projectId).POST("/notifications", { body: body as never }));
    const { id } = (sent as { notification: { id: string } }).notification;
    remember(projectId, name);
    setUser(name);
    setAsking(false);
    const run = () => navigate(`projects/${projectId}/notifications/${id}`);
    toast(t("A test was sent to {user}", { user: name }), "ok", { label: t("Follow it"), run });
  }

  return (
    <>
      <Button icon="send" disabled={disabled} onClick={() => (user ? send(user) : setAsking(true))}>
        {user ? t("Test to {user}", { user }) : t("Test to me")}
      </Button>
      {user && (
        <Button kind="quiet" onClick={() => setAsking(true)}>
          {t("Change")}
        </Button>
      )}
      {asking && (
        <Dialog title={t("Who gets the tests?")} onClose={() => setAsking(false)}>
          <Form onSubmit={async ({ user: name = "" }) => send(name.trim())} submit={t("Send the test")}>
            <TextInput
              name="user"
              label={t("Your user")}
              initial={user}
              required
              autofocus
              mono
              placeholder="ada@example.com"
              hint={t("An external id or an email. This browser remembers it for this project.")}
            />
          </Form>
        </Dialog>
      )}
    </>
  );
}
