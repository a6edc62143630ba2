import type { InboxAttributes, InboxElements, InboxEvents } from "../../gateway/web/src/bell/types.ts";

type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name;

/** The attributes of the elements, in camel case. */
export type ElementOptions = {
  [Name in keyof InboxAttributes as Camel<Name>]?: Name extends "toasts" ? boolean : InboxAttributes[Name];
};

export type Tag = keyof InboxElements;

/** The names of the attributes, by those in camel case. */
const ATTRIBUTES: Readonly<Record<keyof Required<ElementOptions>, keyof InboxAttributes>> = {
  apiKey: "api-key",
  userExternalId: "user-external-id",
  userEmail: "user-email",
  userHmac: "user-hmac",
  token: "token",
  url: "url",
  locale: "locale",
  theme: "theme",
  tabs: "tabs",
  toasts: "toasts",
  pushWorker: "push-worker",
};

/** Return the attributes for options by their names. One that is off is undefined. */
export function attributesOf(options: ElementOptions): Record<string, string | undefined> {
  const attributes: Record<string, string | undefined> = {};
  for (const [option, attribute] of Object.entries(ATTRIBUTES)) {
    const value = options[option as keyof ElementOptions];
    attributes[attribute] = value === true ? "" : value || undefined;
  }
  return attributes;
}

export const EVENTS = ["inbox-item-click", "inbox-new", "inbox-state", "inbox-error"] as const satisfies (keyof InboxEvents)[];

/** Return whether options have credentials of their own. */
export function hasCredentials(options: ElementOptions & { getToken?: unknown }): boolean {
  return Boolean(options.token || options.getToken || options.userExternalId || options.userEmail);
}

const loading = new Map<string, Promise<unknown>>();

/**
 * Load the elements from a gateway, once, unless the page has done so. A relative address is one on the page's own host.
 *
 * Throws TypeError if there is no address, or no gateway at it.
 */
export async function loadElements(url: string | undefined): Promise<void> {
  if (customElements.get("inbox-bell")) return;
  if (url === undefined) {
    throw new TypeError("inbox-gateway: `url` is missing. Set it to the address of your gateway, or load /inbox-bell.js.");
  }
  const script = new URL("inbox-bell.js", new URL(url.replace(/\/*$/, "/"), document.baseURI)).href;
  // Bundlers must leave this import alone: it loads the elements of the version that the gateway has.
  const started = loading.get(script) ?? import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ script);
  loading.set(script, started);
  try {
    await started;
  } catch (error) {
    loading.delete(script);
    throw new TypeError(`inbox-gateway: ${script} cannot be loaded. Is it the address of your gateway?`, { cause: error });
  }
}
