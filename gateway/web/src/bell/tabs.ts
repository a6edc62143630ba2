import type { Filter } from "../client/types.ts";
import { h } from "./dom.ts";
import type { InboxElement } from "./element.ts";
import { move } from "./keyboard.ts";
import type { Placeholder } from "./states.ts";

/** A tab: its label, which notifications it has, and what it shows when it has none. */
export interface Tab {
  readonly label: string;
  readonly filter: Filter;
  readonly empty: Placeholder;
}

/**
 * Return the tabs that the attribute names: `all`, `unread`, `archived`, `category:NAME` and `topic:NAME`, each with
 * `=LABEL` if another text is wanted, with `_` for a space.
 */
export function tabsOf({ text, tabs }: InboxElement): Tab[] {
  return (tabs?.trim() || "all unread archived").split(/\s+/).map((entry) => {
    const [, type, name = "", label] = /^([^:=]*):?([^=]*)=?(.*)/.exec(entry)!;
    const tab = (own: string, filter: Filter, icon: Placeholder["icon"], title: string, hint: string): Tab => ({
      label: label?.replaceAll("_", " ") || own,
      filter: { archived: false, ...filter },
      empty: { icon, title, hint },
    });
    switch (type) {
      case "unread":
        return tab(text("tab_unread"), { read: false }, "check", text("caught_up"), text("caught_up_hint"));
      case "archived":
        return tab(text("tab_archived"), { archived: true }, "archive", text("no_archived"), text("no_archived_hint"));
      case "category":
        if (name) return tab(name, { categories: [name] }, "inbox", text("no_match"), text("no_match_hint"));
        break;
      case "topic":
        if (name) return tab(name, { topics: [name] }, "inbox", text("no_match"), text("no_match_hint"));
    }
    if (type !== "all") console.info(`Inbox: there is no tab ${entry}. Use all, unread, archived, category:NAME or topic:NAME.`);
    return tab(text("tab_all"), {}, "bell", text("empty"), text("empty_hint"));
  });
}

/** Create the bar of tabs. `choose` is called with the number of the tab. */
export function tabBar(label: string, tabs: readonly Tab[], choose: (at: number) => void): HTMLElement {
  const keydown = (event: KeyboardEvent) => move(event, bar, "row")?.click();
  const bar = h(
    "div",
    { part: "tabs", role: "tablist", "aria-label": label, keydown, hidden: tabs.length < 2 },
    ...tabs.map((tab, at) =>
      h(
        "button",
        { role: "tab", part: "tab", id: `tab${at}`, "aria-controls": `list${at}`, click: () => choose(at) },
        tab.label,
        tab.filter.read === false && h("span", { part: "count" }),
      ),
    ),
  );
  return bar;
}
