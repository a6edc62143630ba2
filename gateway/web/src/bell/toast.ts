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

const shelves = new WeakMap<InboxBell, HTMLElement>();
let shared: CSSStyleSheet | undefined;

/**
 * Show a notification. It is not read out from here: the bell does so for all that arrive.
 *
 * It is removed when the signal aborts. The time stops while the pointer or the focus is on any of them, and then starts again.
 */
export function toast(bell: InboxBell, client: Client, notification: Notification, signal: AbortSignal): void {
  if (signal.aborted) return; // another user has signed in
  const { title, content, action_url, id } = notification;
  const shelf = shelfOf(bell);
  const url = safeUrl(action_url);

  function open(event: MouseEvent) {
    remove();
    const followed = bell.emit("inbox-item-click", { notification, url }, true);
    client.read(id).catch(() => {}); // the bell reports refused actions
    if (!followed || !url) event.preventDefault();
    if (followed && !url) bell.open();
  }

  /** Remove the toast. The focus moves to the next one. */
  function remove() {
    const next = (element.nextElementSibling ?? element.previousElementSibling)?.querySelector("button");
    if (element.contains(bell.shadowRoot!.activeElement)) next?.focus();
    clearTimeout(timer);
    element.remove();
    if (!shelf.childElementCount) shelf.hidePopover();
  }

  let timer: ReturnType<typeof setTimeout>;
  const run = () => (timer = setTimeout(remove, SHOWN_MS));
  const element = h(
    "div",
    { part: "toast", role: "group", "aria-label": title, keydown: ({ key }: KeyboardEvent) => key === "Escape" && remove() },
    h("a", { part: "toast-title", href: url ?? "#", dir: "auto", click: open }, title),
    content ? h("p", { part: "toast-content", dir: "auto" }, plainText(content).slice(0, 200)) : "",
    h("button", { part: "toast-close", "aria-label": bell.text("dismiss"), title: bell.text("dismiss"), click: remove }, icon("close")),
  );
  for (const type of ["pointerenter", "focusin"]) shelf.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["pointerleave", "focusout"]) shelf.addEventListener(type, () => element.isConnected && run());

  if (shelf.childElementCount >= MOST) shelf.firstElementChild!.remove();
  shelf.append(element);
  shelf.togglePopover(true);
  signal.addEventListener("abort", remove);
  if (!shelf.matches(":hover, :focus-within")) run();
}

/** Return the element that has a bell's toasts. It is in the top layer, above everything of the page. */
function shelfOf(bell: InboxBell): HTMLElement {
  let shelf = shelves.get(bell);
  if (!shelf) {
    if (!shared) (shared = new CSSStyleSheet()).replaceSync(css);
    adopt(bell.shadowRoot!, shared);
    shelves.set(bell, (shelf = h("div", { part: "toasts", popover: "manual" })));
    bell.shadowRoot!.append(shelf);
  }
  shelf.dir = bell.texts.direction;
  return shelf;
}
