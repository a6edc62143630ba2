/**
 * The notification settings: web push in this browser, and channels by category. A file of its own, loaded when settings
 * are first shown.
 */

import type { CategoryPreference, Client, InboxErrorShape } from "../client/types.ts";
import type { Config } from "./config.ts";
import { h } from "./dom.ts";
import type { Key, Locale } from "./locale.ts";
import { Push } from "./push.ts";
import { pushSection } from "./push_section.ts";
import css from "./settings.css";
import { SETTINGS_ENGLISH } from "./settings_english.ts";
import { switchButton } from "./switch.ts";

export { Push };

/** What the settings need from the element in which they are shown. */
export interface SettingsHost {
  readonly client: Client;
  readonly config: Config;
  readonly texts: Locale;
  /** The address of the service worker, null if web push is not offered. */
  readonly worker: string | null;
}

const SKELETON_AFTER_MS = 200; // a response that comes sooner shows no skeleton

const MESSAGE_MS = 8000;

let shared: CSSStyleSheet | undefined;

/** Return the style sheet of the settings, for the shadow root in which they are. */
export function settingsSheet(): CSSStyleSheet {
  if (!shared) (shared = new CSSStyleSheet()).replaceSync(css);
  return shared;
}

/** Return the settings. They are fetched at once. */
export function settings(host: SettingsHost): HTMLElement {
  const { texts, worker, client, config } = host;
  texts.learn(SETTINGS_ENGLISH);
  const body = h("div", { part: "preferences-body" });
  const message = h("p", { part: "preferences-message", role: "alert" });
  fill(host, body, message);
  return h(
    "div",
    { part: "preferences" },
    worker && pushSection(new Push(client, config, worker), texts),
    h("p", { part: "preferences-hint" }, texts.text("settings_hint")),
    body,
    message,
  );
}

async function fill(host: SettingsHost, body: HTMLElement, message: HTMLElement): Promise<void> {
  const { client, config, texts } = host;
  const waiting = setTimeout(() => body.replaceChildren(skeleton(texts)), SKELETON_AFTER_MS);
  try {
    const categories = await client.preferences();
    clearTimeout(waiting);
    const used = channelsOf(categories, config.channels ?? {});
    body.replaceChildren(categories.length ? table(host, categories, used, message) : state(texts, "no_settings"));
  } catch (error) {
    clearTimeout(waiting);
    const retry = h("button", { part: "plain", click: () => fill(host, body, message) }, texts.text("retry"));
    body.replaceChildren(state(texts, "settings_failed", error as InboxErrorShape, retry));
    if (body.contains(body.ownerDocument.activeElement)) retry.focus();
  }
}

/** Return the channels to show: those that the project has set up, and those that the user has turned off anyway. */
function channelsOf(categories: readonly CategoryPreference[], known: NonNullable<Config["channels"]>): string[] {
  const [first] = categories;
  const off = new Set(categories.flatMap(({ channels }) => channels.filter(({ enabled }) => !enabled).map(({ slug }) => slug)));
  const slugs = first?.channels.map(({ slug }) => slug) ?? [];
  return slugs.filter((slug) => off.has(slug) || known[slug]?.enabled !== false);
}

function table(
  { client, texts }: SettingsHost,
  categories: readonly CategoryPreference[],
  used: readonly string[],
  message: HTMLElement,
): HTMLElement {
  const name = (slug: string) => texts.text(slug as Key);
  let saying: ReturnType<typeof setTimeout> | undefined;
  const say = (text: string) => {
    clearTimeout(saying);
    message.textContent = text;
    saying = setTimeout(() => (message.textContent = ""), MESSAGE_MS);
  };
  const head = h(
    "div",
    { part: "preferences-head", role: "row" },
    h("span", { role: "columnheader" }, texts.text("category")),
    ...used.map((slug) => h("span", { role: "columnheader" }, name(slug))),
  );
  const row = ({ slug, name: label, channels }: CategoryPreference) => {
    const category = slug === "uncategorized" ? texts.text("uncategorized") : (label ?? slug);
    const note = h("small", {}, texts.text("inbox_off"));
    const cells = used.map((channel) => {
      const enabled = channels.find((each) => each.slug === channel)?.enabled ?? true;
      if (channel === "in_app") note.hidden = enabled;
      const button = switchButton({
        label: name(channel),
        name: texts.text("channel", { channel: name(channel), category }),
        on: enabled,
        save: (on) => client.setPreference(slug, channel, on),
        changed: (on, error) => {
          if (channel === "in_app") note.hidden = on;
          say(error ? texts.text("save_failed", { category }) : "");
        },
      });
      return h("div", { role: "cell" }, button);
    });
    return h("div", { part: "preferences-row", role: "row" }, h("div", { role: "rowheader" }, category, note), ...cells);
  };
  const element = h(
    "div",
    { part: "preferences-table", role: "table", "aria-label": texts.text("settings"), "data-single": used.length === 1 },
    head,
    ...categories.map(row),
  );
  element.style.setProperty("--columns", `${used.length}`);
  return element;
}

function state(
  texts: Locale,
  key: "no_settings" | "settings_failed",
  error?: InboxErrorShape,
  action?: HTMLElement,
): HTMLElement {
  return h(
    "div",
    { part: "state", role: error && "alert" },
    h("b", {}, texts.text(key)),
    h("p", {}, error ? error.message : texts.text("no_settings_hint")),
    error?.requestId && h("small", {}, texts.text("request", { id: error.requestId })),
    action,
  );
}

function skeleton(texts: Locale): HTMLElement {
  const row = () => h("div", { class: "bone" }, h("i"), h("i"), h("i"));
  return h("div", { role: "status", "aria-label": texts.text("loading") }, row(), row(), row());
}
