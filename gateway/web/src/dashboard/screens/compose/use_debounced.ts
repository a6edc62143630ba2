/** A value that follows another one when it has not changed for a moment. */

import { useEffect, useState } from "preact/hooks";

const QUIET_MS = 350;

export function useDebounced<T>(value: T): T {
  const [debounced, follow] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => follow(value), QUIET_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return debounced;
}
