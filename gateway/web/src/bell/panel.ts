/** What the bell shows when it is opened, and the list at once. A file of its own, which the page loads when it is idle. */

import type { Client, InboxErrorShape } from "../client/types.ts";
import { commands } from "./commands.ts";
import { h, set, write } from "./dom.ts";
import type { InboxElement } from "./element.ts";
import { icon, iconButton } from "./icons.ts";
import { contain, reachable } from "./keyboard.ts";
import css from "./panel.css";
import { safeUrl } from "./links.ts";
import { PANEL_ENGLISH } from "./panel_english.ts";
import { createRows, type Rows } from "./rows.ts";
import { placeholder, type Placeholder } from "./states.ts";
import { tabBar, tabsOf } from "./tabs.ts";
import { undoBar } from "./undo.ts";

let shared: CSSStyleSheet | undefined;

/** Return the style sheet of panels, for the shadow roots in which they are. */
export function panelSheet(): CSSStyleSheet {
  if (!shared) (shared = new CSSStyleSheet()).replaceSync(css);
  return shared;
}

const RECONNECTING_AFTER_MS = 3000; // most reconnections are over before
const TICK_MS = 30_000;

/** Header, tabs, lists and footer: the inbox of a user, in a popover or on a page. */
export interface Panel {
  readonly element: HTMLElement;
  /** Fetch the list if it was not fetched, because it will soon be seen. */
  prepare(): void;
  /** Do what a key does that no part of the panel has handled. */
  keydown(event: KeyboardEvent): void;
  /** The panel came into view, or has left it. */
  show(visible: boolean): void;
}

export interface PanelOptions {
  /** Creates the notification settings. */
  readonly settings: (host: InboxElement, client: Client) => HTMLElement;
  /** Closes the popover. */
  readonly close?: (() => void) | undefined;
}

/** Create a panel. It ends with the signal. */
export function createPanel(
  host: InboxElement,
  client: Client | null,
  signal: AbortSignal,
  { settings: settingsOf, close }: PanelOptions,
): Panel {
  const { text, texts } = host;
  texts.learn(PANEL_ENGLISH);
  const tabs = tabsOf(host);
  const lists: (Rows | undefined)[] = [];
  const undo = undoBar(() => lists[at]?.focus() || lists[at]?.element.focus());
  const does = client && commands(host, client, undo);
  let at = 0;
  let settings: HTMLElement | undefined;
  let visible = false;
  let late = false;
  let lateTimer: ReturnType<typeof setTimeout> | undefined;

  const bar = tabBar(text("title"), tabs, choose);
  const instead = h("div");
  const body = h("div", { class: "body" }, instead);
  const status = h("div", { part: "status", role: "status", hidden: true });
  const readAll = iconButton("readAll", text("read_all"), "read-all", () => does!.readAll(tabs[at]!.filter));
  const title = h("slot", { name: "header" }, text("title"));
  const back = iconButton("back", text("back"), "back", () => showSettings(false));
  const openSettings = iconButton("settings", text("settings"), "open-settings", () => showSettings(true));
  const element = h(
    "div",
    { part: "inbox" },
    h(
      "div", // a header element would be a banner of the whole page
      { part: "header" },
      back,
      h("h2", { part: "title" }, title),
      readAll,
      openSettings,
      close && iconButton("close", text("close"), "close", close),
    ),
    bar,
    body,
    h("div", { class: "above" }, undo.element), // the bar covers the list, and not what is below it
    status,
    h("slot", { name: "footer" }),
  );

  function choose(to: number) {
    at = to;
    [...bar.children].forEach((button, number) => {
      set(button, "aria-selected", `${number === at}`);
      reachable(button, number === at);
    });
    if (!lists[at]) {
      const store = client!.inbox({ filter: tabs[at]!.filter });
      const list = (lists[at] = createRows(host, store, does!, empty, signal));
      set(list.element, "id", `list${at}`);
      set(list.element, "aria-labelledby", `tab${at}`);
      body.append(list.element);
    }
    lists.forEach((list, number) => list && (list.element.hidden = number !== at));
    if (visible) prepare();
  }

  /** Show the settings in place of the lists, or the lists again. */
  function showSettings(on: boolean) {
    settings?.remove();
    settings = on ? settingsOf(host, client!) : undefined;
    if (settings) body.append(settings);
    set(element, "data-settings", on);
    write(title, text(on ? "settings" : "title"));
    (on ? back : openSettings).focus();
  }

  function empty(): Placeholder {
    const { empty: shown } = tabs[at]!;
    if (at) return { ...shown, action: [text("show_all"), () => choose(0)] };
    return { ...shown, image: safeUrl(host.saved?.images?.emptyInboxUrl) ?? undefined };
  }

  function prepare() {
    lists[at]?.start();
  }

  function keydown(event: KeyboardEvent) {
    const modal = element.closest<HTMLElement>("[aria-modal]"); // a panel that fills the screen
    if (modal) contain(event, modal);
    const undone = event.key === "z" && (event.ctrlKey || event.metaKey) && undo.undo();
    const entered = event.key === "ArrowDown" && !event.defaultPrevented && lists[at]?.focus();
    if (undone || entered) event.preventDefault();
  }

  /** What is on the screen has been seen. */
  function markSeen() {
    if (visible && !document.hidden && client?.counts.unseenCount) client.seenAll({ archived: false }).catch(() => {});
  }

  function showCounts() {
    const { unreadCount } = client!.counts;
    set(readAll, "aria-disabled", !unreadCount && "true");
    for (const count of bar.querySelectorAll(".count")) write(count, unreadCount ? host.upTo99(unreadCount) : "");
    markSeen();
  }

  /** Show the footer while the connection is not live, and what replaces the lists of a user without access. */
  function showState() {
    const state = client?.state;
    const ended = !state || (state.status === "ended" && !state.closedByPage);
    set(element, "data-instead", ended);
    instead.replaceChildren(
      !ended
        ? ""
        : placeholder(
            state
              ? {
                  icon: "alert",
                  title: text("ended"),
                  hint: text("ended_hint"), // why, is for developers: in the console, and in "inbox-state"
                  action: [text("retry"), () => client!.connect()],
                }
              : { icon: "bell", title: text("signed_out"), hint: text("signed_out_hint") },
          ),
    );

    const offline = state?.status === "offline";
    if (state?.status === "connecting" || state?.status === "reconnecting")
      lateTimer ??= setTimeout(() => {
        late = true;
        showState();
      }, RECONNECTING_AFTER_MS);
    else {
      clearTimeout(lateTimer);
      lateTimer = undefined;
      late = false;
    }
    const queued = client?.queued;
    status.hidden = !offline && !late;
    status.replaceChildren(
      offline ? icon("alert") : h("i", { class: "spinner" }),
      text(offline ? "offline" : "reconnecting") + (queued ? ` · ${text("queued", { count: queued })}` : ""),
    );
  }

  showState();
  if (client) {
    const on = (target: EventTarget, type: string, listener: (event: any) => void) =>
      target.addEventListener(type, listener, { signal });
    on(client, "state", showState);
    on(client, "queue", showState);
    on(client, "counts", showCounts);
    // Without an action, `getToken` failed, which the state shows.
    on(client, "error", ({ detail: { action, error } }: CustomEvent<{ action?: string; error: InboxErrorShape }>) =>
      action && undo.show("alert", text("refused", { reason: error.message })),
    );
    on(document, "visibilitychange", markSeen);
    on(window, "pagehide", undo.end);
    const ticking = setInterval(() => lists[at]?.tick(), TICK_MS);
    on(signal, "abort", () => {
      clearInterval(ticking);
      clearTimeout(lateTimer);
      undo.end();
    });
    choose(0);
    showCounts();
  }
  return {
    element,
    prepare,
    keydown,
    show(now) {
      visible = now;
      if (!now) {
        if (settings) showSettings(false);
        return undo.end();
      }
      prepare();
      lists[at]?.tick();
      markSeen();
    },
  };
}
