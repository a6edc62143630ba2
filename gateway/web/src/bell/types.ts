/** The public types of `<inbox-bell>`, `<inbox-list>` and `<inbox-preferences>`. The wrappers in clients/ are made of them. */

import type { Client, ConnectionState, InboxErrorShape, Notification } from "../client/types.ts";

export type Theme = "light" | "dark" | "auto";

/** A text, or its forms by the plural categories of the language. */
export type Text = string | ({ readonly other: string } & { readonly [category in Intl.LDMLPluralRule]?: string });

/** The attributes of all three elements. Each is a property as well, in camel case. */
export interface InboxAttributes {
  /** The project's API key. Not needed with a token, which names it. */
  "api-key"?: string;
  /** The user's id in your application. */
  "user-external-id"?: string;
  /** The user's email address, if your application has no id. */
  "user-email"?: string;
  /** The signature of the external id or email, which your backend makes. */
  "user-hmac"?: string;
  /** A token of the user, instead of the four above. */
  token?: string;
  /** The address of the gateway. Default: where the script was loaded from. */
  url?: string;
  /** The language. Default: that of the page. */
  locale?: string;
  theme?: Theme;
  /**
   * Which tabs are shown, separated by spaces: `all`, `unread`, `archived`, `category:NAME`, `topic:NAME`. A tab has
   * another label with `=LABEL`, in which `_` is a space. Default: `all unread archived`.
   */
  tabs?: string;
  /** Shows new notifications at the edge of the page while the panel is closed (`<inbox-bell>` only). */
  toasts?: string;
  /** The address of your service worker. Offers notifications of the browser. */
  "push-worker"?: string;
}

/** What can only be set by a script. */
export interface InboxProperties {
  /** Returns a token of the user. Called at the start, before a token ends, and when one is refused. */
  getToken?: (() => string | Promise<string>) | null;
  /** A client of the page's own, instead of credentials. The element never closes it. */
  client?: Client | null;
  /** Texts that replace those of the language, by their keys. */
  messages?: Readonly<Record<string, Text>> | null;
}

/** The events of the elements. All of them bubble and are composed. */
export interface InboxEvents {
  /** A notification was clicked. `preventDefault()` keeps the element from following its link. */
  "inbox-item-click": CustomEvent<{ readonly notification: Notification; readonly url: string | null }>;
  /** A notification arrived while the page was open. */
  "inbox-new": CustomEvent<{ readonly notification: Notification }>;
  /** The state of the connection changed. */
  "inbox-state": CustomEvent<ConnectionState>;
  /** The credentials cannot work, or an action was refused and taken back. */
  "inbox-error": CustomEvent<{
    readonly error: InboxErrorShape | Error;
    readonly action?: string;
    readonly ids?: readonly string[];
  }>;
}

type Properties = {
  [Name in keyof InboxAttributes as Camel<Name>]: InboxAttributes[Name] | null;
};

type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name;

/** What all three elements have in common. */
export interface InboxElement extends HTMLElement, Required<Properties>, Required<InboxProperties> {
  addEventListener<Type extends keyof InboxEvents>(
    type: Type,
    listener: (this: InboxElement, event: InboxEvents[Type]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<Type extends keyof HTMLElementEventMap>(
    type: Type,
    listener: (this: InboxElement, event: HTMLElementEventMap[Type]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** `<inbox-bell>`, whose panel a script can open and close. */
export interface InboxBellElement extends InboxElement {
  open(): void;
  close(): void;
}

/** The elements by their tags. */
export interface InboxElements {
  "inbox-bell": InboxBellElement;
  "inbox-list": InboxElement;
  "inbox-preferences": InboxElement;
}
