/** What can be done with a user: send a test, edit, export, revoke tokens, delete. */

import { useState } from "preact/hooks";
import { projectApi } from "../../core/api.ts";
import { asFailure } from "../../core/failure.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Menu, type MenuItem } from "../../kit/menu.tsx";
import { EditUser } from "./create.tsx";
import { displayName, type ProjectUser, type UserSummary } from "./people.ts";
import { SendTest } from "./send_test.tsx";

interface ActionsProps {
  projectId: string;
  user: ProjectUser;
  summary: UserSummary | undefined;
  onChange: () => void;
}

/** The buttons of the page. A viewer can only export. */
export function UserActions({ projectId, user, onChange }: ActionsProps) {
  const can = useCan();
  const [dialog, open] = useState<"edit" | "test" | null>(null);
  const params = { path: { user: user.id } };

  async function revoke(): Promise<void> {
    const agreed = await confirm({
      title: t("Revoke all tokens?"),
      text: t("Every token of {name} that was issued until now is refused, and connections that were opened with one are closed. HMACs stay valid.", { name: displayName(user) }),
      action: t("Revoke tokens"),
      danger: true,
      curl: { method: "POST", path: `/users/${user.id}/revoke_tokens`, body: {} },
    });
    if (!agreed) return;
    await projectApi(projectId).POST("/users/{user}/revoke_tokens", { params, body: {} });
    toast(t("All tokens are revoked"), "ok");
    invalidate(`${projectId} tokens ${user.id}`);
    onChange();
  }

  async function remove(): Promise<void> {
    const agreed = await confirm({
      title: t("Delete this user?"),
      text: t("The inbox, preferences, devices and tokens of {name} are deleted, and open connections are closed. This cannot be undone.", { name: displayName(user) }),
      action: t("Delete user"),
      danger: true,
      typed: user.external_id ?? user.email ?? user.id,
      curl: { method: "DELETE", path: `/v2/users/${user.id}` },
    });
    if (!agreed) return;
    await projectApi(projectId).DELETE("/v2/users/{user}", { params });
    invalidate(`${projectId} user`);
    toast(t("The user is deleted"), "ok");
    navigate(`projects/${projectId}/users`, { replace: true });
  }

  function tell(work: Promise<void>): void {
    work.catch((error: unknown) => toast(asFailure(error).message, "danger"));
  }

  const items: MenuItem[] = [];
  if (can("editor")) items.push({ label: t("Edit"), icon: "edit", onSelect: () => open("edit") });
  if (can("admin")) {
    items.push({ label: t("Revoke tokens"), icon: "lock", onSelect: () => tell(revoke()) });
    items.push({ label: t("Delete user"), icon: "trash", danger: true, onSelect: () => tell(remove()) });
  }
  return (
    <>
      <CopyCurl call={{ path: `/v2/users/${user.id}` }} />
      <Button icon="download" href={`api/projects/${projectId}/v2/users/${user.id}/export`} download={`user-${user.id}.json`} title={t("Everything that is stored about this user, as JSON")}>
        {t("Export")}
      </Button>
      {can("editor") && (
        <Button icon="send" kind="primary" onClick={() => open("test")}>
          {t("Send a test")}
        </Button>
      )}
      {items.length > 0 && <Menu label={t("More actions")} items={items} />}
      {dialog === "edit" && <EditUser projectId={projectId} user={user} onClose={() => open(null)} />}
      {dialog === "test" && <SendTest projectId={projectId} user={user} onClose={() => open(null)} onSent={onChange} />}
    </>
  );
}
