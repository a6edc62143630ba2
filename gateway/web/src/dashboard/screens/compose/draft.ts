/** What somebody is writing, and the request that sends it. */

import { t } from "../../core/text.ts";
import { type Clause, conditionText, CUSTOM, type Join } from "./condition.ts";

/** The channels whose texts may differ from those of the notification, with the names that people know. */
export const CHANNELS = [
  ["in_app", t("Inbox")],
  ["email", t("Email")],
  ["mobile_push", t("Mobile push")],
  ["web_push", t("Web push")],
  ["sms", t("SMS")],
  ["slack", t("Slack")],
  ["teams", t("Microsoft Teams")],
] as const;

export type ChannelName = (typeof CHANNELS)[number][0];
export type AudienceKind = "users" | "topic" | "condition" | "everyone";
export type Override = { readonly title?: string; readonly content?: string; readonly action_url?: string };

export interface Draft {
  readonly audience: AudienceKind;
  /** External ids and emails, one per line or separated by commas. */
  readonly users: string;
  /** Whether the condition is written as a text. */
  readonly asText: boolean;
  readonly condition: string;
  readonly clauses: readonly Clause[];
  readonly join: Join;
  readonly title: string;
  readonly content: string;
  readonly action_url: string;
  readonly category: string;
  readonly topic: string;
  /** JSON, as it was typed. */
  readonly attributes: string;
  readonly overrides: { readonly [channel in ChannelName]?: Override };
}

export const EMPTY: Draft = {
  audience: "users",
  users: "",
  asText: false,
  condition: "",
  clauses: [{ attribute: `${CUSTOM}plan`, is: true, value: "" }],
  join: "and",
  title: "",
  content: "",
  action_url: "",
  category: "",
  topic: "",
  attributes: "",
  overrides: {},
};

export type Recipient =
  | { external_id: string }
  | { email: string }
  | { matches: string }
  | { topic: { subscribers: true } };

/** The problems of a draft, by field. */
export type Problems = { -readonly [field in keyof Draft]?: string };

/** The content of a notification, without its recipients. */
export interface Content {
  title: string;
  content?: string;
  action_url?: string;
  category?: string;
  topic?: string;
  custom_attributes?: Record<string, unknown>;
  overrides?: { channels: { [channel in ChannelName]?: Override } };
}

export interface Broadcast extends Content {
  recipients: Recipient[];
}

export const MAX_USERS = 1000;
const NAME = /^[A-Za-z0-9_.\-/:]*$/;
const MAX_TITLE = 255;

/** Return the users that a list names. Whatever has an "@" is an email. */
export function usersIn(list: string): ({ external_id: string } | { email: string })[] {
  const names = list.split(/[\n,;]+/).map((name) => name.trim());
  const known = [...new Set(names.filter(Boolean))];
  return known.map((name) => (name.includes("@") ? { email: name } : { external_id: name }));
}

/** Return the condition of a draft as a text, "" if it has none yet. */
export function conditionOf({ asText, condition, clauses, join }: Draft): string {
  return asText ? condition.trim() : conditionText(clauses, join);
}

/** Return the recipients of a draft. They are none until it has an audience. */
export function recipientsOf(draft: Draft): Recipient[] {
  if (draft.audience === "users") return usersIn(draft.users);
  if (draft.audience === "everyone") return [{ matches: "*" }];
  if (draft.audience === "topic") return draft.topic.trim() ? [{ topic: { subscribers: true } }] : [];
  const condition = conditionOf(draft);
  return condition ? [{ matches: condition }] : [];
}

/** Return the custom attributes of a draft: undefined for none. Raises SyntaxError for what is no object. */
export function attributesOf({ attributes }: Draft): Record<string, unknown> | undefined {
  if (!attributes.trim()) return undefined;
  const value: unknown = JSON.parse(attributes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SyntaxError();
  return value as Record<string, unknown>;
}

/** Return the content of a draft. Fields that are empty, and attributes that cannot be read, are left out. */
export function contentOf(draft: Draft): Content {
  const content: Content = { title: draft.title.trim() };
  for (const name of ["content", "action_url", "category", "topic"] as const) {
    const text = draft[name].trim();
    if (text) content[name] = text;
  }
  try {
    const attributes = attributesOf(draft);
    if (attributes) content.custom_attributes = attributes;
  } catch {
    // Named by `problemsOf`.
  }
  const channels: { [channel in ChannelName]?: Override } = {};
  for (const [channel] of CHANNELS) {
    const texts = Object.entries(draft.overrides[channel] ?? {}).filter(([, text]) => text?.trim());
    if (texts.length) channels[channel] = Object.fromEntries(texts);
  }
  if (Object.keys(channels).length) content.overrides = { channels };
  return content;
}

/** Return the body of the request that sends a draft. */
export function broadcastOf(draft: Draft): Broadcast {
  return { ...contentOf(draft), recipients: recipientsOf(draft) };
}

/** Return what must change before a draft can be sent, by field. */
export function problemsOf(draft: Draft): Problems {
  const problems: Problems = {};
  if (!draft.title.trim()) problems.title = t("A notification needs a title");
  else if ([...draft.title.trim()].length > MAX_TITLE) problems.title = t("At most {n} characters", { n: MAX_TITLE });
  for (const name of ["category", "topic"] as const)
    if (!NAME.test(draft[name].trim())) problems[name] = t("Letters, digits and _ . - / : only");
  try {
    attributesOf(draft);
  } catch {
    problems.attributes = t("This is not a JSON object, such as {example}", { example: '{"order": 42}' });
  }
  const users = usersIn(draft.users);
  if (draft.audience === "users" && !users.length) problems.users = t("Name at least one user");
  if (draft.audience === "users" && users.length > MAX_USERS)
    problems.users = t("At most {n} users. Import them and use a condition for more.", { n: MAX_USERS });
  if (draft.audience === "topic" && !draft.topic.trim()) problems.topic = t("Its subscribers get the notification");
  if (draft.audience === "condition" && !conditionOf(draft)) problems.condition = t("Complete the condition");
  return problems;
}

/** Return whether nothing was written yet. */
export function isEmpty(draft: Draft): boolean {
  return !draft.title && !draft.content && !draft.users && !draft.action_url && !draft.attributes;
}
