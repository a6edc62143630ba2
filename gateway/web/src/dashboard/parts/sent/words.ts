/** Words for what was sent: audiences, states and shares. */

import { percent } from "../../core/format.ts";
import { plural, t } from "../../core/text.ts";
import type { Tone } from "../../kit/badge.tsx";

/** Return whom something was for: "Everyone", "12 users". */
export function audienceText(audience: string, recipients: number): string {
  switch (audience) {
    case "everyone":
      return t("Everyone");
    case "condition":
      return t("Matching users");
    case "subscribers":
      return t("Subscribers of the topic");
    case "broadcast":
      return t("Broadcast");
    default:
      return plural(recipients, "{n} user", "{n} users");
  }
}

/** Return the name of a status of a broadcast. */
export function statusName(status: string): string {
  const names: Record<string, string> = {
    enqueued: t("Waiting"),
    processing: t("Sending"),
    processed: t("Sent"),
    cancelled: t("Cancelled"),
  };
  return names[status] ?? status;
}

/** Return the colour of a status of a broadcast. */
export function statusTone(status: string): Tone {
  const tones: Record<string, Tone> = { enqueued: "neutral", processing: "accent", processed: "ok", cancelled: "warning" };
  return tones[status] ?? "neutral";
}

/** Return the name of the state of a notification in an inbox. */
export function stateName(state: string): string {
  const names: Record<string, string> = {
    read: t("Read"),
    seen: t("Seen"),
    unseen: t("Not seen"),
    gone: t("Not in the inbox"),
  };
  return names[state] ?? state;
}

/** Return a share in per cent, "≈ 40%" if it comes from a sample, and a dash if there is none. */
export function shareText(inPercent: number | null, isExact: boolean): string {
  if (inPercent === null) return "–";
  const text = percent(inPercent / 100, 0);
  return isExact ? text : `≈ ${text}`;
}

/** Return the name of a user in a list. */
export function userName(user: { id: string; external_id: string | null; email: string | null }): string {
  return user.external_id ?? user.email ?? `${user.id.slice(0, 8)}…`;
}
