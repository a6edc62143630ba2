/** Keys that work everywhere: Ctrl or Cmd with K, "/", "?", and "g" with the key of a screen. */

import { useEffect, useRef } from "preact/hooks";

export interface Keys {
  palette: () => void;
  help: () => void;
  /** Called with the key after "g". */
  go: (key: string) => void;
}

const AFTER_G_MS = 1500;

/** Return whether a key belongs to what is being typed. */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Handle the keys while the component is shown. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let goUntil = 0;
    function press(event: KeyboardEvent): void {
      if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!document.querySelector("dialog[open]")) latest.current.palette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
      const isAfterG = event.timeStamp < goUntil;
      goUntil = 0;
      if (isAfterG) latest.current.go(event.key);
      else if (event.key === "g") goUntil = event.timeStamp + AFTER_G_MS;
      else if (event.key === "?") latest.current.help();
      else if (event.key === "/") {
        const field = document.querySelector<HTMLElement>("[data-search]");
        if (!field) return;
        event.preventDefault();
        field.focus();
      }
    }
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
