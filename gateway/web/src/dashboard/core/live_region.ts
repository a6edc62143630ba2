/** Short messages, which are shown for a moment and read out by screen readers. */

import { createStore } from "./store.ts";

export interface Toast {
  id: number;
  text: string;
  tone: "neutral" | "ok" | "danger";
  action?: { label: string; run: () => void };
}

const SHOWN_MS = 6000;

/** The messages that are shown. */
export const toasts = createStore<readonly Toast[]>([]);

/** The text that screen readers read out next. */
export const announcement = createStore("");

let last = 0;

/** Show a message, and have it read out. */
export function toast(text: string, tone: Toast["tone"] = "neutral", action?: Toast["action"]): void {
  const id = ++last;
  toasts.set([...toasts.get(), { id, text, tone, ...(action ? { action } : {}) }].slice(-3));
  announce(text);
  setTimeout(() => closeToast(id), SHOWN_MS);
}

/** Take a message away. */
export function closeToast(id: number): void {
  toasts.set(toasts.get().filter((each) => each.id !== id));
}

/** Have a text read out, and show nothing. */
export function announce(text: string): void {
  announcement.set(text);
}
