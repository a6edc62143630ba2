/** The recipients of a notification or a broadcast, each with what became of it, and the way to the reason. */

import { data, projectApi } from "../../core/api.ts";
import type { components } from "../../core/api_types.d.ts";
import { cursorPage, useCursorList } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Empty } from "../../kit/states.tsx";
import { type Column, CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import { stateName, userName } from "./words.ts";

type Recipient = components["schemas"]["SentRecipient"];

const TONES: Record<string, Tone> = { read: "ok", seen: "accent", unseen: "neutral", gone: "warning" };

/** A table of recipients. */
export function RecipientTable({ projectId, id }: { projectId: string; id: string }) {
  const list = useCursorList(`${projectId} sent ${id} recipients`, async (after, signal) =>
    cursorPage(
      await data(
        projectApi(projectId).GET("/v2/sent/{notification_id}/recipients", {
          params: { path: { notification_id: id }, query: { limit: 50, starting_after: after ?? undefined } },
          signal,
        }),
      ),
    ),
  );
  const why = (each: Recipient) => `projects/${projectId}/deliveries?user=${each.user.id}&notification=${id}`;
  const columns: Column<Recipient>[] = [
    { title: t("User"), render: (each) => userName(each.user) },
    { title: t("State"), render: (each) => <Status tone={TONES[each.state]}>{stateName(each.state)}</Status>, width: "150px" },
    { title: t("Read"), render: (each) => <Time at={each.read_at ?? each.seen_at} />, width: "110px", wide: true },
    { title: t("Why"), render: (each) => <a href={why(each)}>{t("Why?")}</a>, width: "64px" },
  ];
  return (
    <CursorTable
      label={t("Recipients")}
      list={list}
      columns={columns}
      rowKey={(each) => each.user.id}
      what={t("The recipients could not be loaded")}
      empty={<Empty icon="users" title={t("No recipients yet")}>{t("Nobody has received it yet.")}</Empty>}
    />
  );
}
