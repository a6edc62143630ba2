/** Notifications that arrive while the panel is closed, shown at the edge of the page for some seconds. */

import type { Client, Notification } from "../client/types.ts";
import type { InboxBell } from "./bell.ts";
import { plainText } from "./content.ts";
import { h } from "./dom.ts";
import { icon } from "./icons.ts";
import { safeUrl } from "./links.ts";
import { adopt } from "./styles.ts";
import css from "./toast.css";

const SHOWN_MS = 6000;
const MOST = 3;

const shelves = new WeakMap<InboxBell, Shelf>();
let shared: CSSStyleSheet | undefined;

/**
 * Show a notification. It is not read out from here: the bell does so for all that arrive.
 *
 * It is removed when the signal aborts. The time stops while the pointer or the focus is on any of them, and then starts again.
 */
export function toast(bell: InboxBell, client: Client, notification: Notification, signal: AbortSignal): void {
  if (signal.aborted) return; // another user has signed in
  const { title, content, action_url, id } = notification;
  const shelf = shelves.get(bell) ?? new Shelf(bell.shadowRoot!);
  shelves.set(bell, shelf);
  const url = safeUrl(action_url);
  const remove = () => shelf.remove(element);

  function open(event: MouseEvent) {
    remove();
    const followed = bell.emit("inbox-item-click", { notification, url }, true);
    client.read(id).catch(() => {}); // the bell reports refused actions
    if (!followed || !url) event.preventDefault();
    if (followed && !url) bell.open();
  }

  const element = h(
    "div",
    { part: "toast", role: "group", "aria-label": title, keydown: ({ key }: KeyboardEvent) => key === "Escape" && remove() },
    h("a", { part: "toast-title", href: url ?? "#", dir: "auto", click: open }, title),
    content ? h("p", { part: "toast-content", dir: "auto" }, plainText(content).slice(0, 200)) : "",
    h("button", { part: "toast-close", "aria-label": bell.text("dismiss"), title: bell.text("dismiss"), click: remove }, icon("close")),
  );
  shelf.add(element, signal, bell.texts.direction);
}

/** The toasts of a bell. Their element is in the top layer, above everything of the page. */
class Shelf {
  readonly #root: ShadowRoot;
  readonly #element = h("div", { part: "toasts", popover: "manual" });
  readonly #ends = new Map<HTMLElement, number>(); // the time of each, in the order of arrival
  readonly #held = new Set<string>(); // by the pointer, by the focus
  #timer: ReturnType<typeof setTimeout> | undefined;
  #signal: AbortSignal | undefined;

  constructor(root: ShadowRoot) {
    this.#root = root;
    if (!shared) (shared = new CSSStyleSheet()).replaceSync(css);
    adopt(root, shared);
    for (const [by, start, end] of [["pointer", "pointerenter", "pointerleave"], ["focus", "focusin", "focusout"]] as const) {
      this.#element.addEventListener(start, () => {
        this.#held.add(by);
        this.#run();
      });
      this.#element.addEventListener(end, () => {
        this.#held.delete(by);
        for (const toast of this.#ends.keys()) this.#ends.set(toast, performance.now() + SHOWN_MS);
        this.#run();
      });
    }
    root.append(this.#element);
  }

  add(toast: HTMLElement, signal: AbortSignal, direction: string): void {
    if (this.#signal !== signal) signal.addEventListener("abort", () => this.#clear());
    this.#signal = signal;
    this.#element.dir = direction;
    this.#element.append(toast);
    this.#ends.set(toast, performance.now() + SHOWN_MS);
    if (this.#ends.size > MOST) this.#removeFirst();
    this.#element.togglePopover(true);
    this.#run();
  }

  /** Remove a toast. The focus moves to the next one. */
  remove(toast: HTMLElement): void {
    if (!this.#ends.delete(toast)) return;
    const next = (toast.nextElementSibling ?? toast.previousElementSibling)?.querySelector("button");
    if (toast.contains(this.#root.activeElement)) next?.focus();
    toast.remove();
    if (!this.#ends.size) {
      this.#held.clear(); // an element that is not there any more is not always left
      this.#element.hidePopover();
    }
    this.#run();
  }

  #removeFirst(): void {
    this.remove(this.#ends.keys().next().value!);
  }

  #clear(): void {
    for (const toast of [...this.#ends.keys()]) this.remove(toast);
  }

  /** Let the time of the first one run, unless it is stopped. */
  #run(): void {
    clearTimeout(this.#timer);
    const [end] = this.#ends.values();
    if (end !== undefined && !this.#held.size) this.#timer = setTimeout(() => this.#removeFirst(), end - performance.now());
  }
}
