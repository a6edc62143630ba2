/** State in the address: filters, and what a drawer shows. So a link leads to what its sender saw. */

import { currentPlace, navigate, usePlace } from "./router.ts";

/** Return a query with some parameters changed. An empty one is left out. */
export function changedQuery(query: URLSearchParams, changes: Record<string, string | null>): URLSearchParams {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") changed.delete(name);
    else changed.set(name, value);
  }
  return changed;
}

/** Return the address of the present place with some parameters changed. */
export function withParams(changes: Record<string, string | null>): string {
  const { path, query } = currentPlace();
  const text = changedQuery(query, changes).toString();
  return text ? `${path}?${text}` : path;
}

/** Change parameters of the address. Filters replace the entry in the history; a drawer adds one (`push`). */
export function setParams(changes: Record<string, string | null>, { push = false } = {}): void {
  const to = withParams(changes);
  const { path, query } = currentPlace();
  const text = query.toString();
  if (to !== (text ? `${path}?${text}` : path)) navigate(to, { replace: !push });
}

/** Return a parameter of the address, "" if it is absent, and the function that changes it. */
export function useParam(name: string, options?: { push?: boolean }): [string, (value: string | null) => void] {
  const { query } = usePlace();
  return [query.get(name) ?? "", (value) => setParams({ [name]: value }, options)];
}

/** The filters of a list: parameters of the address by name, "" for each that is absent. */
export interface Filters<Name extends string> {
  values: Record<Name, string>;
  set(name: Name, value: string | null): void;
  clear(): void;
  /** Whether any filter is set. */
  active: boolean;
  /** The same for the same values: a part of the key of a query. */
  key: string;
}

/** Return the filters with these names. */
export function useFilters<Name extends string>(...names: Name[]): Filters<Name> {
  const { query } = usePlace();
  const values = Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""])) as Record<Name, string>;
  return {
    values,
    set: (name, value) => setParams({ [name]: value }),
    clear: () => setParams(Object.fromEntries(names.map((name) => [name, null]))),
    active: names.some((name) => values[name] !== ""),
    key: JSON.stringify(values),
  };
}
