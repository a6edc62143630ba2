/** Sending a notification once more, as a new one, to the same audience. */

import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { toast } from "../../core/live_region.ts";
import { cursorPage, invalidate } from "../../core/query.ts";
import { navigate } from "../../core/router.ts";
import { plural, t } from "../../core/text.ts";
import { confirm } from "../../kit/confirm.tsx";

type Detail = components["schemas"]["SentDetail"];
type Recipient = { external_id: string } | { email: string };

const MOST_RECIPIENTS = 1000;

/** Ask, and send it to its recipients, or a broadcast to its audience. Those who have it get a second one. */
export async function sendAgain(projectId: string, detail: Detail): Promise<void> {
  const api = projectApi(projectId);
  const title = String(detail.notification?.title ?? "");
  let id: string;
  if (detail.is_broadcast) {
    const path = { params: { path: { broadcast_id: detail.id } } };
    const { id: _, created_at, status, ...body } = await data(api.GET("/v2/broadcasts/{broadcast_id}", path));
    const audience = await data(api.POST("/v2/broadcasts/audience", { body: body as never }));
    const count = plural(audience.count, "{n} user", "{n} users");
    if (!(await asked(title, audience.is_exact ? count : t("about {count}", { count })))) return;
    id = (await data(api.POST("/v2/broadcasts", { body: body as never }))).id;
    navigate(`projects/${projectId}/broadcasts/${id}`);
  } else {
    const recipients = await recipientsOf(projectId, detail.id);
    if (!recipients.length) return toast(t("Its recipients do not exist any more"), "danger");
    if (!(await asked(title, plural(recipients.length, "{n} user", "{n} users")))) return;
    const body = { notification: { ...detail.notification, recipients } };
    id = (await data(api.POST("/notifications", { body: body as never }))).notification.id;
    navigate(`projects/${projectId}/notifications/${id}`);
  }
  invalidate(`${projectId} sent`);
  invalidate(`${projectId} broadcasts`);
  toast(t("It is sent again"), "ok");
}

function asked(title: string, count: string): Promise<boolean> {
  const text = t("“{title}” goes to {count}. Those who have it already get a second one.", { title, count });
  return confirm({ title: t("Send it again?"), text, action: t("Send to {count}", { count }) });
}

function recipientPage(projectId: string, id: string, after: string | null): Promise<components["schemas"]["SentRecipientList"]> {
  const query = { limit: 100, starting_after: after ?? undefined };
  return data(projectApi(projectId).GET("/v2/sent/{notification_id}/recipients", { params: { path: { notification_id: id }, query } }));
}

async function recipientsOf(projectId: string, id: string): Promise<Recipient[]> {
  const found: Recipient[] = [];
  let after: string | null = null;
  do {
    const page = await recipientPage(projectId, id, after);
    for (const { user } of page.data) {
      if (user.external_id) found.push({ external_id: user.external_id });
      else if (user.email) found.push({ email: user.email });
    }
    after = cursorPage(page).next;
  } while (after && found.length < MOST_RECIPIENTS);
  return found.slice(0, MOST_RECIPIENTS);
}
