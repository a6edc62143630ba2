import type { InboxErrorShape, InboxStore } from "../client/types.ts";
import type { Commands } from "./commands.ts";
import { focused, h } from "./dom.ts";
import type { InboxElement } from "./element.ts";
import { icon } from "./icons.ts";
import { move } from "./keyboard.ts";
import { openMenu } from "./menu.ts";
import { createRow, type Row } from "./row.ts";
import { SKELETON_AFTER_MS, skeleton } from "./frame.ts";
import { placeholder, type Placeholder, plainButton } from "./states.ts";

const SKELETON_MS = 300; // a skeleton that is shown does not flash
const AT_TOP_PX = 8;
const ANCHORS = CSS.supports("overflow-anchor", "auto");

/** The rows of one store, with what stands before, after, and instead of them. They scroll. */
export interface Rows {
  readonly element: HTMLElement;
  readonly store: InboxStore;
  /** Fetch the list. */
  start(): void;
  /** Show how long ago all notifications were sent. */
  tick(): void;
  /** Move the focus to the row that had it last, or to the first one. Returns whether there is one. */
  focus(): boolean;
}

export function createRows(
  host: InboxElement,
  store: InboxStore,
  { open, menu, byKey, archiveRead: archive }: Commands,
  empty: () => Placeholder,
  signal: AbortSignal,
): Rows {
  const { text } = host;
  let rows = new Map<string, Row>();
  const byElement = new WeakMap<Element, Row>();
  let current: Row | undefined; // the row that the Tab key reaches
  let shown: unknown; // what stands instead of rows, or after them
  let above = 0; // new rows above the part that is seen
  let newest = Infinity; // when the first row was sent, before the last change
  let skeletonAt = 0;
  let started = false; // the first page is wanted, though it may have to wait for a connection
  let timer: ReturnType<typeof setTimeout> | undefined;

  const pill = h("button", {
    part: "pill",
    hidden: true,
    click: () => element.scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion)").matches ? "instant" : "smooth" }),
  });
  const feed = h("div", { role: "feed", hidden: true, "aria-label": text("title"), click, auxclick: click, keydown, focusin });
  const tail = h("div", { class: "tail" });
  const instead = h("div");
  const element = h(
    "div",
    { part: "rows", role: "tabpanel", tabindex: -1, scroll: () => above && element.scrollTop <= AT_TOP_PX && setAbove(0) },
    h("div", { class: "top" }, pill),
    feed,
    tail,
    instead,
  );
  const end = new IntersectionObserver(([entry]) => entry!.isIntersecting && more(), { root: element, rootMargin: "600px" });

  const rowOf = (target: EventTarget | null) => byElement.get((target as Element).closest(".item")!);

  function click(event: MouseEvent) {
    const target = event.target as Element;
    const row = rowOf(target);
    const button = target.closest("button");
    if (!row || event.button > 1) return;
    if (button) openMenu(button, menu(row.notification));
    else if (!open(row.notification, target.closest("a")?.href)) event.preventDefault();
  }

  function keydown(event: KeyboardEvent) {
    const row = rowOf(event.target);
    const { key } = event;
    if (!row || event.ctrlKey || event.metaKey || event.altKey || move(event, feed)) return;
    if (key === "Enter" && event.target === row.element) (row.element.querySelector("a") ?? row.element).click();
    else if (byKey[key]) byKey[key](row.notification);
    else return;
    event.preventDefault();
  }

  function focusin({ target }: FocusEvent) {
    choose(rowOf(target));
  }

  function choose(row: Row | undefined) {
    if (!row || row === current) return;
    current?.choose(false);
    row.choose(true);
    current = row;
  }

  /** Load older notifications. A page that failed is loaded again by its button only. */
  function more() {
    const { hasMore, loading, error, stale } = store.state;
    if (hasMore && !loading && !error && !stale) store.loadMore().catch(() => {});
  }

  function render() {
    const { notifications, error, loading, stale } = store.state;
    clearTimeout(timer);
    if (!notifications.length && !error && (stale || loading === "first")) {
      if (!skeletonAt && (loading || started)) timer = setTimeout(showSkeleton, SKELETON_AFTER_MS);
      return;
    }
    const leftMs = skeletonAt && skeletonAt + SKELETON_MS - performance.now();
    if (leftMs > 0) {
      timer = setTimeout(render, leftMs);
      return;
    }
    skeletonAt = 0;
    showRows();
    showRest();
    end.unobserve(tail); // so that it reports again if the end is still near
    end.observe(tail);
  }

  function showSkeleton() {
    skeletonAt = performance.now();
    shown = null;
    instead.replaceChildren(skeleton(text("loading")));
  }

  function showRows() {
    const { notifications } = store.state;
    const top = element.scrollTop;
    const below = top > AT_TOP_PX;
    const old = [...rows.values()];
    // The first row that is seen stays where it is, whatever comes and goes above it. Most browsers see to it themselves.
    const anchor = below && !ANCHORS && old.find(({ element }) => element.offsetTop + element.offsetHeight > top)?.element;
    const before = anchor && anchor.offsetTop;
    const active = focused(element);
    const activeAt = active ? old.findIndex((row) => row.element.contains(active)) : -1;

    let newer = true; // than all rows of before: older pages may begin in the same second
    rows = new Map(
      notifications.map((notification) => {
        let row = rows.get(notification.id);
        if (row) {
          newer = false;
          row.show(notification);
        } else {
          row = createRow(host, notification);
          byElement.set(row.element, row);
          if (newer && notification.sent_at >= newest) {
            if (below) setAbove(above + 1);
            else row.element.classList.add("coming");
          }
        }
        return [notification.id, row];
      }),
    );
    const all = [...rows.values()];
    arrange(feed, all.map((row) => row.element));
    feed.hidden = !all.length; // to screen readers, a feed without articles is an error
    newest = notifications[0]?.sent_at ?? 0;
    if (anchor && anchor.isConnected) element.scrollTop += anchor.offsetTop - (before as number);

    if (current && rows.get(current.notification.id) !== current) current = undefined;
    const next = all[Math.min(Math.max(activeAt, 0), all.length - 1)];
    if (!current) choose(next);
    // The focus of a row that has gone moves to the next one, and never to the page.
    if (activeAt >= 0 && !active!.isConnected) (next?.element ?? element).focus();
  }

  /** Show what stands after the rows, or instead of them. */
  function showRest() {
    const { notifications, error, loading, hasMore } = store.state;
    const { length } = notifications;
    const someRead = !store.filter.archived && notifications.some(({ read_at }) => read_at !== null);
    const kind = error ?? `${!length} ${hasMore} ${loading} ${someRead}`;
    if (kind === shown) return;
    shown = kind;
    const { message, requestId } = (error ?? {}) as InboxErrorShape;
    const retry = [text("retry"), () => store.retry()] as const;
    tail.replaceChildren(
      ...(!length
        ? []
        : error
          ? [h("span", { role: "alert", title: message }, text("failed_more")), plainButton(...retry)]
          : hasMore
            ? [h("i", { class: "spinner" })]
            : [text("end"), ...(someRead ? [plainButton(text("archive_read"), archiveRead)] : [])]),
    );
    instead.replaceChildren(
      length
        ? ""
        : error
          ? placeholder({
              icon: "alert",
              title: text("failed"),
              hint: message,
              detail: requestId && text("request", { id: requestId }),
              action: retry,
            })
          : h("slot", { name: "empty" }, placeholder(empty())),
    );
  }

  function archiveRead() {
    archive(store.filter);
    element.scrollTop = 0;
  }

  function setAbove(count: number) {
    above = count;
    pill.hidden = !count;
    pill.replaceChildren(icon("up"), text("new_items", { count }));
  }

  store.addEventListener("change", render, { signal });
  signal.addEventListener("abort", () => {
    end.disconnect();
    clearTimeout(timer);
    store.stop();
  });
  render();
  return {
    element,
    store,
    start() {
      store.start();
      if (!started) {
        started = true;
        render();
      }
    },
    tick: () => rows.forEach((row) => row.tick()),
    focus() {
      current?.element.focus();
      return current !== undefined;
    },
  };
}

/** Make `elements` the children of `parent`, and move only those that are not in place. */
function arrange(parent: Element, elements: readonly Element[]): void {
  const kept = new Set(elements);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const element of elements) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}
