import type { Notification } from "../client/types.ts";
import { plainText, showContent } from "./content.ts";
import { h, set, write } from "./dom.ts";
import type { InboxElement } from "./element.ts";
import { icon, iconButton } from "./icons.ts";
import { reachable } from "./keyboard.ts";
import { actionsOf, safeUrl, textOf } from "./links.ts";
import { ago, exactly } from "./time.ts";

/** One notification in a list. The list handles its clicks and keys. */
export interface Row {
  readonly element: HTMLElement;
  readonly notification: Notification;
  show(notification: Notification): void;
  /** Show how long ago the notification was sent. */
  tick(): void;
  /** Let the Tab key reach this row and what is in it, or neither. */
  choose(chosen: boolean): void;
}

export function createRow(host: InboxElement, notification: Notification): Row {
  const element = h("article", { part: "item", tabindex: -1 });
  const time = h("time", { part: "item-time" });
  const row = { element, notification, show, tick, choose };

  function build() {
    const { title, content, sent_at, action_url } = notification;
    const actions = actionsOf(notification);
    const body = content ? h("div", { part: "content", dir: "auto" }) : "";
    if (body) showContent(body, content!, host.using?.url ?? "");
    set(time, "datetime", new Date(sent_at * 1000).toISOString());
    set(time, "title", exactly(sent_at, host.texts.tag));
    const menu = iconButton("more", host.text("more", { title }), "item-menu");
    const href = safeUrl(action_url);
    const template = host.querySelector<HTMLTemplateElement>(":scope > template[slot=item]");
    if (template) {
      element.classList.add("custom");
      const link = h("a", { part: "item-link", href, tabindex: -1, "aria-hidden": "true" });
      element.replaceChildren(h("span", { part: "dot" }), link, h("div", {}, filled(template, notification)), time, menu);
      return choose(false);
    }
    element.replaceChildren(
      h("span", { part: "dot" }),
      avatar(notification),
      // The link covers the whole row, so that Ctrl, the middle button and the context menu work everywhere.
      h("a", { part: "item-title", href, tabindex: -1, dir: "auto" }, title),
      time,
      body,
      actions.length
        ? h("div", { part: "actions" }, ...actions.map(({ label, url }) => h("a", { part: "action", href: url, tabindex: -1 }, label)))
        : "",
      menu,
    );
    choose(false);
  }

  function show(next: Notification, first?: boolean) {
    const old = notification;
    if (old === next && !first) return;
    row.notification = notification = next;
    if (first || CONTENT.some((name) => old[name] !== next[name])) build();
    set(element, "data-unread", next.read_at === null);
    name();
    tick();
  }

  /** Set what is read out when the row gets the focus. */
  function name() {
    const { title, content, category, sent_at, read_at } = notification;
    const text = [title, plainText(content ?? "").slice(0, 200), [category, ago(sent_at, host.texts.tag)].filter(Boolean).join(", ")];
    const sentences = text.filter(Boolean).map((part) => part.replace(/[.\s]*$/, "."));
    set(element, "aria-label", [read_at === null && host.text("is_unread"), ...sentences].filter(Boolean).join(" "));
  }

  function tick() {
    write(time, ago(notification.sent_at, host.texts.tag));
  }

  function choose(chosen: boolean) {
    if (chosen) name(); // with the time of now
    for (const each of [element, ...element.querySelectorAll("button, .action")]) reachable(each, chosen);
  }

  show(notification, true);
  return row;
}

const CONTENT = ["title", "content", "category", "action_url", "custom_attributes"] as const;

/** Return a copy of the page's own template, in which elements with `data-field="title"` have the text of that field. */
function filled(template: HTMLTemplateElement, notification: Notification): Node {
  const copy = document.importNode(template.content, true);
  for (const element of copy.querySelectorAll<HTMLElement>("[data-field]")) {
    const path = element.dataset["field"]!.split(".");
    const value = path.reduce<unknown>((part, name) => (part as Record<string, unknown> | null)?.[name], notification);
    write(element, plainText(textOf(value)));
  }
  return copy;
}

/** Return the picture of a notification, `custom_attributes.icon`, or else the initials of its category. */
function avatar({ category, custom_attributes }: Notification): HTMLElement {
  const letters = h("span", { part: "avatar", "aria-hidden": "true" }, initials(category) || icon("bell"));
  const src = safeUrl(custom_attributes?.["icon"]);
  if (!src?.startsWith("https:")) return letters;
  const picture = h("img", { part: "avatar", alt: "", loading: "lazy", referrerpolicy: "no-referrer", error: () => picture.replaceWith(letters) });
  picture.src = src;
  return picture;
}

function initials(category: string | null): string {
  return (category?.match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, 2).map((word) => [...word][0]!.toUpperCase()).join("");
}
