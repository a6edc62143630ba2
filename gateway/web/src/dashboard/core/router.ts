/**
 * Addresses of the dashboard. All are relative to its base, which the gateway writes into the page.
 *
 * So `projects/5/users?query=ada` is an address, whatever path a proxy adds. A link to one needs nothing but `href`.
 */

import { createStore, useStore } from "./store.ts";

/** A place in the dashboard. `path` has no slash at its ends: "projects/5/users". */
export interface Place {
  path: string;
  query: URLSearchParams;
}

/** Return the path of the dashboard itself, such as "/admin/". */
export function basePath(): string {
  return new URL(".", document.baseURI).pathname;
}

function here(): Place {
  const { pathname, search } = location;
  return { path: pathname.slice(basePath().length).replace(/^\/+|\/+$/g, ""), query: new URLSearchParams(search) };
}

const place = createStore<Place>({ path: "", query: new URLSearchParams() });
let guards: (() => boolean)[] = [];

/** Return the place that is shown. */
export function currentPlace(): Place {
  return place.get();
}

/** Return the place that is shown. The component is rendered again when it changes. */
export function usePlace(): Place {
  return useStore(place);
}

/** Go to an address of the dashboard. With `replace`, "back" does not return to the present one. */
export function navigate(to: string, { replace = false } = {}): void {
  if (!guards.every((allows) => allows())) return;
  const url = new URL(to, new URL(basePath(), location.href));
  history[replace ? "replaceState" : "pushState"](null, "", url);
  place.set(here());
}

/** Call a function before another place is shown; it returns false to stay. Returns the function that ends this. */
export function guardLeaving(allows: () => boolean): () => void {
  guards = [...guards, allows];
  return () => void (guards = guards.filter((each) => each !== allows));
}

/** Show places from now on: follow links within the dashboard, and the browser's back and forward. */
export function startRouter(): void {
  place.set(here());
  addEventListener("popstate", () => place.set(here()));
  document.addEventListener("click", (event) => {
    const to = clickedAddress(event);
    if (to === null) return;
    event.preventDefault();
    navigate(to);
  });
}

/** Return the address of a clicked link within the dashboard. Null if the browser shall follow it. */
function clickedAddress(event: MouseEvent): string | null {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
  if (!link?.hasAttribute("href") || link.target || link.hasAttribute("download") || link.origin !== location.origin) return null;
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  if (!link.pathname.startsWith(basePath()) || /^(api|files)\//.test(link.pathname.slice(basePath().length))) return null;
  return link.href;
}

/** Return the id of the project in an address, null if it names none. */
export function projectIn(path: string): string | null {
  return /^projects\/(\d+)(?:\/|$)/.exec(path)?.[1] ?? null;
}
