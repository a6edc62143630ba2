/** What the parts of the screen know of a broadcast. */

import type { components } from "../../core/api_types.d.ts";
import { audienceText } from "../../parts/sent/words.ts";

export type Broadcast = components["schemas"]["V2Broadcast"];

/** Return whether a broadcast is not at its end. */
export function isRunning(status: string): boolean {
  return status === "enqueued" || status === "processing";
}

/** Return whom a broadcast is for. */
export function audienceOf(broadcast: Broadcast): string {
  const recipients = broadcast.recipients as { matches?: unknown; topic?: unknown }[];
  const conditions = recipients.filter(({ matches }) => matches !== undefined && matches !== null);
  if (conditions.some(({ matches }) => matches === "*")) return audienceText("everyone", 0);
  if (conditions.length) return audienceText("condition", 0);
  return audienceText(recipients.some(({ topic }) => topic) ? "subscribers" : "users", recipients.length);
}

/** Return the conditions of a broadcast as people write them. */
export function conditionsOf(broadcast: Broadcast): string[] {
  const recipients = broadcast.recipients as { matches?: unknown }[];
  return recipients
    .filter(({ matches }) => matches !== undefined && matches !== null && matches !== "*")
    .map(({ matches }) => (typeof matches === "string" ? matches : JSON.stringify(matches)));
}
