/** Values that components show and that change: each component that uses one is rendered again. */

import { useEffect, useState } from "preact/hooks";

/** A value with listeners. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: () => void): () => void;
}

/** Create a store. */
export function createStore<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Return the value of a store. The component is rendered again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, render] = useState({});
  const value = store.get();
  useEffect(() => {
    if (!Object.is(store.get(), value)) render({}); // changed between the rendering and this effect
    return store.subscribe(() => render({}));
  }, [store]);
  return value;
}
