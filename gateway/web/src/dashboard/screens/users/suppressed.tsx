/** Addresses of a user to which nothing more is sent, and the way to release them. */

import { projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Note } from "../../kit/page.tsx";
import type { ProjectUser, UserSummary } from "./people.ts";

interface SuppressedProps {
  projectId: string;
  user: ProjectUser;
  suppressed: UserSummary["suppressed"];
  onChange: () => void;
}

/** A message for each channel that is suppressed. */
export function Suppressed({ projectId, user, suppressed, onChange }: SuppressedProps) {
  const can = useCan();

  async function release(channel: string): Promise<void> {
    const agreed = await confirm({
      title: t("Send to this address again?"),
      text: t("Do this only if you know that the address works, and that its owner wants the messages. A provider may block you for messages that nobody wants."),
      action: t("Release"),
      curl: { method: "DELETE", path: `/v2/users/${user.id}/channels/${channel}/suppressions` },
    });
    if (!agreed) return;
    await projectApi(projectId).DELETE("/v2/users/{user}/channels/{channel}/suppressions", { params: { path: { user: user.id, channel } } });
    toast(t("Messages are sent to the address again"), "ok");
    onChange();
  }

  return (
    <>
      {suppressed.map(({ channel, reason }) => (
        <Note key={`${channel} ${reason}`} tone="warning">
          <div class="note-row">
            <p>
              <strong>{channel === "email" ? t("Nothing is sent to the email address") : t("Nothing is sent to a phone number")}</strong>{" "}
              <span class="quiet">{reasonText(reason)}</span>
            </p>
            {can("editor") && (
              <Button size="small" onClick={() => release(channel)}>
                {t("Release")}
              </Button>
            )}
          </div>
        </Note>
      ))}
    </>
  );
}

function reasonText(reason: string): string {
  const texts: Record<string, string> = {
    bounced: t("A mail came back: the address does not exist, or accepts no mail."),
    complaint: t("The owner reported a message as spam."),
    unsubscribed: t("The owner unsubscribed at the provider."),
  };
  return texts[reason] ?? t("The provider said: {reason}", { reason });
}
