/** What a writer should know before sending: nothing of it keeps the notification from being sent. */

import { plural, t } from "../../core/text.ts";
import { CHANNELS, type ChannelName, type Draft } from "./draft.ts";

export interface Warning {
  readonly tone: "info" | "warning";
  readonly text: string;
}

/** The preview of a draft, as `POST /v2/previews` responds. */
export interface Preview {
  readonly brand: string;
  readonly category_known: boolean | null;
  readonly channels: readonly ChannelPreview[];
  readonly email: { readonly sender: string; readonly subject: string; readonly text: string; readonly html: string } | null;
}

export interface ChannelPreview {
  readonly channel: string;
  readonly configured: boolean;
  readonly title: string;
  readonly content: string;
  readonly action_url: string | null;
  readonly cut: boolean;
  readonly segments: number | null;
  readonly faults: readonly string[];
}

const LONG_TITLE = 100; // two lines of the panel

/** Return the name of a channel that people know. */
export function channelLabel(channel: string): string {
  return CHANNELS.find(([name]) => name === channel)?.[1] ?? channel;
}

/** Return whether the bell follows a link. */
export function isFollowed(url: string): boolean {
  try {
    return /^(https?|mailto):$/.test(new URL(url, "https://example.com").protocol);
  } catch {
    return false;
  }
}

/** Return the warnings for a draft. Those that the gateway knows follow when it has responded. */
export function warningsOf(draft: Draft, preview: Preview | undefined): Warning[] {
  const found: Warning[] = [];
  const warn = (text: string) => void found.push({ tone: "warning", text });
  const title = [...draft.title.trim()].length;
  if (title > LONG_TITLE) warn(t("The title has {n} characters. The panel shows two lines of it.", { n: title }));
  const url = draft.action_url.trim();
  if (url && !isFollowed(url)) warn(t("The bell opens links with https, http or mailto only. Apps may open this one."));
  if (!preview) return found;
  if (preview.category_known === false)
    warn(t("The project has never sent the category “{name}”. No one has set preferences for it.", { name: draft.category.trim() }));
  for (const { channel, configured, cut, segments, faults } of preview.channels) {
    const name = channelLabel(channel);
    if (draft.overrides[channel as ChannelName] && !configured) warn(t("{name} has its own text, but is not configured.", { name }));
    if (!configured) continue;
    if (cut) warn(t("{name} shortens the text.", { name }));
    if (segments && segments > 1)
      warn(plural(segments, "Each recipient gets {n} text message.", "Each recipient gets {n} text messages by SMS."));
    for (const fault of faults) warn(t("A template of {name} is not used: {fault}", { name, fault }));
  }
  if (!preview.channels.some(({ channel, configured }) => configured && channel !== "in_app"))
    found.push({ tone: "info", text: t("No channel is configured. The notification reaches the inbox only.") });
  return found;
}
