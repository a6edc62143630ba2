/** Project events as rows: a sentence, a tone, and what the row links to. */

import { channelName, providerName } from "../../core/channels.ts";
import { plural, t } from "../../core/text.ts";

/** An event as `GET /v2/events` has it. */
export interface ProjectEvent {
  readonly id: string;
  readonly timestamp: string;
  readonly type: string;
  readonly level: string;
  readonly log: string;
  readonly context?: Readonly<Record<string, unknown>>;
}

export type Tone = "plain" | "ok" | "warning" | "danger";

type Context = Readonly<Record<string, any>>;

const FAILED = ["refused", "dead", "failed"];

const ENDINGS: Record<string, (context: Context) => string> = {
  delivered: ({ channel, provider }) => t("Delivered by {provider}", { provider: named(provider, channel) }),
  skipped: ({ reason }) => t("Not sent: {reason}", { reason: words(reason) }),
  refused: ({ provider, channel, reason }) => t("Refused by {provider}: {reason}", { provider: named(provider, channel), reason: words(reason) }),
  dead: ({ reason }) => t("The destination no longer exists: {reason}", { reason: words(reason) }),
  failed: ({ attempts, reason }) => plural(attempts ?? 1, "Failed after {n} attempt: {reason}", "Failed after {n} attempts: {reason}", { reason: words(reason) }),
  unknown: ({ provider, channel }) => t("{provider} did not answer: it may have been sent", { provider: named(provider, channel) }),
};

const SENTENCES: Record<string, (context: Context) => string> = {
  "notification.accepted": ({ recipients }) => plural(recipients, "Accepted for {n} recipient", "Accepted for {n} recipients"),
  "notification.stored": ({ count }) => plural(count ?? 1, "Stored in the inbox", "Stored in {n} inboxes"),
  "notification.suppressed": ({ rule }) => t("Not stored in the inbox: {rule}", { rule: words(rule) }),
  "delivery.ended": (context) => ENDINGS[context.state]?.(context) ?? words(context.state),
  "delivery.contradicted": ({ provider, channel, reason }) => t("{provider} reported later that it did not arrive: {reason}", { provider: named(provider, channel), reason: words(reason) }),
  "delivery.parked": ({ channel, reason }) => t("{channel} is stopped: {reason}", { channel: channelName(channel), reason: words(reason) }),
  "broadcast.changed": ({ status, total }) => (total === undefined
    ? t("Broadcast: {status}", { status: words(status) })
    : plural(total, "Broadcast to {n} user: {status}", "Broadcast to {n} users: {status}", { status: words(status) })),
  "import.done": ({ total, failures }) => plural(total, "Import of {n} user done, {failures} failed", "Import of {n} users done, {failures} failed", { failures: failures ?? 0 }),
  "address.suppressed": ({ channel, reason }) => t("{channel} to this address has ended: {reason}", { channel: channelName(channel), reason: words(reason) }),
};

/** Return what happened, as a sentence without a full stop. */
export function sentenceOf({ type, log, context = {} }: ProjectEvent): string {
  if (type.startsWith("connection.")) return log;
  const sentence = SENTENCES[type]?.(context);
  if (sentence) return sentence;
  const detail = context.reason ?? context.fields ?? context.integration ?? context.kind;
  const text = log.replace(/\.$/, "");
  return typeof detail === "string" ? `${text}: ${detail}` : text;
}

/** Return how much attention an event deserves. */
export function toneOf({ type, level, context = {} }: ProjectEvent): Tone {
  if (type === "delivery.ended") {
    if (context.state === "delivered") return "ok";
    return FAILED.includes(context.state as string) ? "danger" : context.state === "unknown" ? "warning" : "plain";
  }
  if (type === "connection.opened") return "ok";
  return level === "warning" ? "warning" : "plain";
}

/** Return the channel that an event is about, "" if none. */
export function channelOf({ type, context = {} }: ProjectEvent): string {
  const channel = context.channel ?? (type === "notification.stored" ? "in_app" : (context.kind as string | undefined)?.split("/")[0]);
  return typeof channel === "string" ? channel : "";
}

/** Return an id of a context. */
export function idOf({ context = {} }: ProjectEvent, name: "user_id" | "notification_id" | "broadcast_id"): string {
  const id = context[name];
  return typeof id === "string" ? id : "";
}

/** Return the name of a provider, or of the channel if none is known. */
function named(provider: unknown, channel: unknown): string {
  return typeof provider === "string" ? providerName(provider) : channelName(String(channel));
}

/** Return a code such as `no_tokens` as words. */
function words(code: unknown): string {
  return typeof code === "string" ? code.replaceAll("_", " ") : "";
}
