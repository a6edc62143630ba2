/** The words for channels, states and stages. */

import { t } from "../../core/text.ts";
import type { Tone } from "../../kit/badge.tsx";
import type { IconName } from "../../kit/icons.tsx";
import type { StageName } from "./trace.ts";

const ICONS: Record<string, IconName> = {
  in_app: "bell",
  email: "mail",
  mobile_push: "phone",
  web_push: "screen",
  sms: "chat",
  slack: "chat",
  teams: "chat",
  webhook: "webhook",
};

/** Return the icon of a channel. */
export function channelIcon(channel: string | null): IconName {
  return ICONS[channel ?? ""] ?? "info";
}

/** Return the word for the state of a delivery, and its colour. */
export function stateName(state: string | null): [string, Tone] {
  const names: Record<string, [string, Tone]> = {
    delivered: [t("Delivered"), "ok"],
    skipped: [t("Skipped"), "neutral"],
    refused: [t("Refused"), "danger"],
    dead: [t("No such destination"), "danger"],
    failed: [t("Failed"), "danger"],
    unknown: [t("Unknown"), "warning"],
    undelivered: [t("Not delivered"), "danger"],
    scheduled: [t("Scheduled"), "accent"],
    sending: [t("Sending"), "accent"],
    retry: [t("Will be tried again"), "warning"],
    handed: [t("With the provider"), "accent"],
  };
  return names[state ?? ""] ?? [state ?? "", "neutral"];
}

/** Return the name of a stage on the way to the inbox. */
export function stageName(name: StageName): string {
  const names: Record<StageName, string> = {
    accepted: t("Accepted"),
    matched: t("Matched"),
    rules: t("Preference and topic"),
    stored: t("Stored"),
    pushed: t("Pushed"),
    seen: t("Seen"),
    read: t("Read"),
  };
  return names[name];
}

/** Return the icon of a step. */
export function stepIcon(type: string): IconName {
  const icons: Record<string, IconName> = {
    accepted: "send",
    broadcast: "broadcast",
    matched: "users",
    preference: "settings",
    topic: "filter",
    config: "folder",
    suppressed: "lock",
    stored: "bell",
    seen: "eye",
    read: "check",
    archived: "folder",
    deleted: "trash",
    left_out: "close",
    scheduled: "clock",
    template: "edit",
    attempt: "send",
    delivery: "deliveries",
    reported: "warning",
    parked: "pause",
    user_deleted: "trash",
  };
  return icons[type] ?? "info";
}
