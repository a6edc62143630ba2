/**
 * What components load. Results are kept, so that going back shows them at once while they are loaded again.
 *
 * Nothing is shown for 200 ms. A skeleton that appears after this stays for 300 ms at least.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiFailure, asFailure } from "./failure.ts";

const SKELETON_AFTER_MS = 200;
const SKELETON_FOR_MS = 300;
const KEPT_RESULTS = 60;

/** What a component knows of a result. */
export interface Query<T> {
  data: T | undefined;
  error: ApiFailure | undefined;
  /** Whether the skeleton is to be shown. */
  loading: boolean;
  /** Whether a request is running while `data` is shown. */
  refreshing: boolean;
  refetch: () => void;
}

export interface QueryOptions {
  /** Show the result of the previous key until that of the new one is there. */
  keep?: boolean;
  /** Load again at this interval while the page is visible. */
  everyMs?: number;
}

interface State<T> {
  key: string | null;
  data: T | undefined;
  error: ApiFailure | undefined;
  loading: boolean;
  running: boolean;
}

const results = new Map<string, unknown>();
const mounted = new Set<{ key: string | null; refetch: () => void }>();

/** Load everything again whose key begins with a prefix, and that is shown. Forget what is not. */
export function invalidate(prefix: string): void {
  for (const key of [...results.keys()]) if (key.startsWith(prefix)) results.delete(key);
  for (const query of [...mounted]) if (query.key?.startsWith(prefix)) query.refetch();
}

/** Forget all results. Call it when the session ends. */
export function forgetResults(): void {
  results.clear();
}

function keepResult(key: string, data: unknown): void {
  results.delete(key);
  results.set(key, data);
  const oldest = results.keys().next().value;
  if (results.size > KEPT_RESULTS && oldest !== undefined) results.delete(oldest);
}

/** Return a result, which is loaded for each new key. A null key loads nothing. */
export function useQuery<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, options: QueryOptions = {}): Query<T> {
  const fresh = (): State<T> => ({
    key,
    data: key === null ? undefined : (results.get(key) as T | undefined),
    error: undefined,
    loading: false,
    running: key !== null,
  });
  const [state, setState] = useState(fresh);
  const [generation, setGeneration] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const refetch = useRef(() => setGeneration((count) => count + 1)).current;

  useEffect(() => {
    setState((before) => {
      if (before.key === key) return { ...before, running: key !== null };
      const next = fresh();
      return options.keep && next.data === undefined ? { ...next, data: before.data } : next;
    });
    if (key === null) return;
    const entry = { key, refetch };
    mounted.add(entry);
    const controller = new AbortController();
    let skeletonAt = 0;
    const skeleton = setTimeout(() => {
      skeletonAt = performance.now();
      setState((before) => ({ ...before, loading: before.data === undefined && !before.error }));
    }, SKELETON_AFTER_MS);

    async function run(): Promise<void> {
      let outcome: Partial<State<T>>;
      try {
        const data = await latest.current(controller.signal);
        keepResult(key as string, data);
        outcome = { data, error: undefined };
      } catch (error) {
        outcome = { error: asFailure(error) };
      }
      clearTimeout(skeleton);
      const wait = skeletonAt ? skeletonAt + SKELETON_FOR_MS - performance.now() : 0;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (!controller.signal.aborted) setState((before) => ({ ...before, ...outcome, loading: false, running: false }));
    }

    void run();
    return () => {
      controller.abort();
      clearTimeout(skeleton);
      mounted.delete(entry);
    };
  }, [key, generation]);

  useEffect(() => {
    if (!options.everyMs || key === null) return;
    const timer = setInterval(() => document.visibilityState === "visible" && refetch(), options.everyMs);
    return () => clearInterval(timer);
  }, [key, options.everyMs]);

  // The effect for a new key has not run yet.
  const shown = state.key === key || options.keep ? state : fresh();
  return { data: shown.data, error: shown.error, loading: shown.loading, refreshing: shown.running && shown.data !== undefined, refetch };
}

/** A part of a list, and the cursor of the next part. */
export interface CursorPage<T> {
  items: T[];
  next: string | null;
}

/** Return a page of the API's form, `data` with `links`, as a part of a list. */
export function cursorPage<T>(page: { data: T[]; links: { next: string | null } }): CursorPage<T> {
  const query = page.links.next === null ? null : new URLSearchParams(page.links.next.split("?")[1] ?? "");
  return { items: page.data, next: query && (query.get("page[after]") ?? query.get("starting_after")) };
}

export interface CursorList<T> extends Omit<Query<T[]>, "data"> {
  items: T[] | undefined;
  hasMore: boolean;
  /** Whether the next part is being loaded. */
  loadingMore: boolean;
  more: () => void;
}

/** Return a list that is loaded part by part. `load` gets the cursor of the part, null for the first. */
export function useCursorList<T>(
  key: string | null,
  load: (cursor: string | null, signal: AbortSignal) => Promise<CursorPage<T>>,
  options: QueryOptions = {},
): CursorList<T> {
  const first = useQuery(key, (signal) => load(null, signal), { keep: true, ...options });
  const [rest, setRest] = useState<{ of: unknown; items: T[]; next: string | null; running: boolean; error?: ApiFailure }>();
  const following = rest && rest.of === first.data ? rest : undefined;
  const next = following ? following.next : (first.data?.next ?? null);

  async function more(): Promise<void> {
    const of = first.data;
    if (next === null || following?.running) return;
    const items = following?.items ?? [];
    setRest({ of, items, next, running: true });
    try {
      const page = await load(next, new AbortController().signal);
      setRest((now) => (now?.of === of ? { of, items: [...items, ...page.items], next: page.next, running: false } : now));
    } catch (error) {
      setRest((now) => (now?.of === of ? { of, items, next, running: false, error: asFailure(error) } : now));
    }
  }

  return {
    items: first.data && [...first.data.items, ...(following?.items ?? [])],
    error: first.error ?? following?.error,
    loading: first.loading,
    refreshing: first.refreshing,
    refetch: first.refetch,
    hasMore: next !== null,
    loadingMore: following?.running ?? false,
    more: () => void more(),
  };
}
