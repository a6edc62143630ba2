import type { Notification } from "../client/types.ts";

/** A button of a notification, from `custom_attributes.actions`: `[{"label": "Review", "url": "/reviews/3"}]`. */
export interface Action {
  readonly label: string;
  readonly url: string;
}

/** Return an address that is safe to follow, or null: http, https, mailto, and relative ones. */
export function safeUrl(url: unknown): string | null {
  if (typeof url !== "string" || !url.trim()) return null;
  try {
    const { href, protocol } = new URL(url, document.baseURI);
    return /^(https?|mailto):$/.test(protocol) ? href : null;
  } catch {
    return null;
  }
}

/** Return a value as a text, "" for anything but a text or a number: an object may have a `toString` that throws. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? `${value}` : "";
}

/** Return the first two actions of a notification that have a label and a safe address. */
export function actionsOf({ custom_attributes }: Notification): Action[] {
  const listed = custom_attributes?.["actions"];
  if (!Array.isArray(listed)) return [];
  const actions = listed.map((action) => ({ label: textOf(action?.label).trim(), url: safeUrl(action?.url) ?? "" }));
  return actions.filter(({ label, url }) => label && url).slice(0, 2);
}
