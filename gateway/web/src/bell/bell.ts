import type { Client, Notification } from "../client/types.ts";
import { load } from "./assets.ts";
import { BELL, drawing, h, set, write } from "./dom.ts";
import { InboxElement } from "./element.ts";
import { frame, SKELETON_AFTER_MS } from "./frame.ts";
import type { Panel } from "./panel.ts";
import { place } from "./place.ts";
import { resumePush, settingsOf } from "./preferences.ts";

const ANNOUNCE_MS = 5000;

const fillsScreen = () => matchMedia("(max-width: 479.98px)").matches;

/** `<inbox-bell>`: a button with the number of unread notifications, and the inbox in a popover. */
export class InboxBell extends InboxElement {
  #badge = h("span", { part: "badge", "aria-hidden": "true" });
  #button = h("button", { part: "button", "aria-haspopup": "dialog", "aria-expanded": "false" }, drawing(BELL), this.#badge);
  #live = h("div", { class: "unseen", role: "status" });
  #popover = h("div", { part: "panel", role: "dialog", popover: "auto", tabindex: -1 });
  #panel: Promise<Panel | null> | undefined;
  #load: () => Promise<Panel | null> = async () => null;
  #opened: AbortController | null = null;
  #arrived = 0; // since the last announcement
  #latest = "";
  #announcing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    const [button, popover] = [this.#button, this.#popover];
    this.root.append(button, this.#live, popover);
    button.popoverTargetElement = popover;
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => this.#prepare());
    popover.addEventListener("toggle", () => this.#toggled());
    popover.addEventListener("beforetoggle", ({ newState }) => {
      if (newState === "closed" && popover.contains(this.root.activeElement)) button.focus();
    });
    // The Tab key leaves the panel at its end, and nothing should stay open behind the focus.
    popover.addEventListener("focusout", ({ relatedTarget: to }) => to && !this.root.contains(to as Node) && this.close());
  }

  /** Open the panel. */
  open(): void {
    this.#popover.togglePopover(true);
  }

  /** Close the panel. */
  close(): void {
    this.#popover.togglePopover(false);
  }

  protected override show(client: Client | null, signal: AbortSignal): void {
    if (this.locale) this.#popover.dir = this.texts.direction;
    set(this.#popover, "aria-label", this.text("title"));
    this.#popover.replaceChildren();
    this.#panel = undefined;
    // What arrived for one user is not read out to the next one.
    clearTimeout(this.#announcing);
    this.#announcing = undefined;
    this.#arrived = 0;
    write(this.#live, "");
    this.#load = () => (this.#panel ??= this.#create(client, signal));
    if (client) (globalThis.requestIdleCallback ?? setTimeout)(() => signal.aborted || this.#load());
    if (this.#opened) this.#load();
    // In the same task, a state is followed by the counts that came with it.
    const count = () => queueMicrotask(() => signal.aborted || this.#count(client));
    for (const type of ["counts", "state"]) client?.addEventListener(type, count, { signal });
    client?.addEventListener("new", ({ detail }: any) => this.#arrive(client, detail as Notification, signal), { signal });
    count();
    if (client) resumePush(this, client, signal);
  }

  async #create(client: Client | null, signal: AbortSignal): Promise<Panel | null> {
    const panel = await this.createPanel(this.#popover, client, signal, settingsOf, () => this.close());
    if (!panel) return null;
    this.#popover.addEventListener("keydown", panel.keydown, { signal });
    panel.show(this.#opened !== null);
    return panel;
  }

  /** Fetch the list, because the pointer or the focus says that it will be opened. */
  async #prepare(): Promise<void> {
    (await this.#load())?.prepare();
  }

  /** Show how many are unread, once the gateway has said so, and as long as the user has access. */
  #count(client: Client | null): void {
    const known = client && client.position !== null && client.state.status !== "ended";
    const count = known ? client.counts.unreadCount : 0;
    set(this.#button, "aria-label", known ? this.text("bell", { count }) : this.text("title"));
    this.#badge.hidden = !count;
    write(this.#badge, this.upTo99(count));
  }

  async #arrive(client: Client, notification: Notification, signal: AbortSignal): Promise<void> {
    this.#announce(notification.title);
    if (this.toasts === null || this.#opened || document.hidden) return;
    const loading = () => load<typeof import("./toast.ts")>("toast.js", client.url);
    const loaded = await loading().catch(loading).catch(() => null); // a lost connection must not cost all that arrived at once
    loaded?.toast(this, client, notification, signal);
  }

  /** Have new notifications read out: the first at once, and all of the next seconds together. */
  #announce(title: string, count = 1): void {
    if (this.#announcing) {
      this.#arrived += count;
      this.#latest = title;
      return;
    }
    write(this.#live, this.text("arrived", { count, title }));
    this.#announcing = setTimeout(() => {
      this.#announcing = undefined;
      if (this.#arrived) this.#announce(this.#latest, this.#arrived);
      this.#arrived = 0;
    }, ANNOUNCE_MS);
  }

  #toggled(): void {
    const popover = this.#popover;
    const open = popover.matches(":popover-open");
    set(this.#button, "aria-expanded", `${open}`);
    this.#opened?.abort();
    this.#opened = open ? new AbortController() : null;
    this.#load().then((panel) => panel?.show(this.#opened !== null));
    this.loadAgain();
    if (!this.#opened) return;
    const { signal } = this.#opened;
    const wait = () => signal.aborted || popover.hasChildNodes() || popover.append(frame(this));
    setTimeout(wait, SKELETON_AFTER_MS);
    const move = () => place(popover, this.#button, Math.min(600, innerHeight * 0.8));
    for (const type of ["scroll", "resize"]) addEventListener(type, move, { signal, capture: true, passive: true });
    move();
    set(popover, "aria-modal", fillsScreen() && "true");
    popover.focus();
  }
}
