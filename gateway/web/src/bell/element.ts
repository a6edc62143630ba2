import type { Client, ClientOptions } from "../client/types.ts";
import { load } from "./assets.ts";
import { type Config, configOf } from "./config.ts";
import { h, set } from "./dom.ts";
import { english, type Key, type Locale, localeFor, type Messages } from "./locale.ts";
import type { Panel, PanelOptions } from "./panel.ts";
import { join, leave, serves, type Session } from "./session.ts";
import { adopt, sheet } from "./styles.ts";
import type { InboxEvents } from "./types.ts";

const CREDENTIALS = ["api-key", "user-external-id", "user-email", "user-hmac", "token", "url"];
const ATTRIBUTES = [...CREDENTIALS, "locale", "theme", "tabs", "toasts", "push-worker"];
const PROPERTIES = ["getToken", "client", "messages"];

const LONGEST_PAUSE_MS = 30_000;

const addressOf = ({ url }: InboxElement, client: Client | null) => client?.url || url || location.origin;

const HINT_AFTER_MS = 2000; // a page may name the user by a script

const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/**
 * What the elements have in common: attributes and properties, the client, texts, styles, events.
 *
 * Changes are gathered, and applied once in a microtask.
 */
export abstract class InboxElement extends HTMLElement {
  static readonly observedAttributes = ATTRIBUTES;

  declare apiKey: string | null;
  declare userExternalId: string | null;
  declare userEmail: string | null;
  declare userHmac: string | null;
  declare token: string | null;
  declare url: string | null;
  declare locale: string | null;
  declare theme: string | null;
  declare tabs: string | null;
  declare toasts: string | null;
  declare pushWorker: string | null;
  declare getToken: ClientOptions["getToken"] | null;
  /** A client of the page's own. The element connects it, and never closes it. */
  declare client: Client | null;
  /** Texts that replace those of the language. */
  declare messages: Partial<Messages> | null;

  /** The texts, and the language of times and numbers. */
  texts: Locale = english;
  protected readonly root = this.attachShadow({ mode: "open" });
  #session: Session | null = null;
  /** The client in use, null without credentials. */
  using: Client | null = null;
  #ending: AbortController | null = null;
  #pending = false;
  #themed: CSSStyleSheet | undefined;
  #turn = 0; // how many times the changes were applied
  #look: unknown[] = [];
  /** What the project or the user has saved for the `inbox` integration. */
  saved: Config["inbox"] = {};

  constructor() {
    super();
    this.root.adoptedStyleSheets = [sheet()];
  }

  /** Return a text in the language of the element. */
  readonly text = (key: Key, params?: Readonly<Record<string, string | number>>): string => this.texts.text(key, params);

  /** Dispatch an event to the page, and return whether it was not cancelled. */
  readonly emit = <Type extends keyof InboxEvents>(type: Type, detail: InboxEvents[Type]["detail"], cancelable = false) =>
    this.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true }));

  /** Return a number as a badge has it. */
  upTo99(count: number): string {
    return count > 99 ? this.text("over", { count: 99 }) : count.toLocaleString(this.texts.tag);
  }

  connectedCallback(): void {
    // A property that was set before the element was defined hides the accessor of the class.
    for (const name of [...ATTRIBUTES.map(camel), ...PROPERTIES] as "token"[]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<this>)[name];
      this[name] = value;
    }
    this.refresh();
  }

  disconnectedCallback(): void {
    this.refresh();
  }

  attributeChangedCallback(): void {
    this.refresh();
  }

  /** Apply all changes soon, at once. */
  refresh(): void {
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      this.#apply();
    });
  }

  /**
   * Show this client, or that nobody is signed in. Called again when the language changes.
   *
   * The signal aborts before the next call, and when the element leaves the page.
   */
  protected abstract show(client: Client | null, signal: AbortSignal): void;

  /** Ends the pause before the next attempt to load the panel, if the last one has failed. */
  protected loadAgain = (): void => {};

  /**
   * Load what shows the notifications, create it, and show it in `place`. Null if the client was replaced meanwhile.
   *
   * A file that cannot be loaded is requested again and again: during an upgrade, a gateway of the version before does
   * not have it.
   */
  protected async createPanel(
    place: HTMLElement | ShadowRoot,
    client: Client | null,
    signal: AbortSignal,
    settings: PanelOptions["settings"],
    close?: () => void,
  ): Promise<Panel | null> {
    let loaded: typeof import("./panel.ts") | undefined;
    for (let attempt = 0; !loaded; attempt++) {
      try {
        loaded = await load<typeof import("./panel.ts")>("panel.js", addressOf(this, client));
      } catch (error) {
        if (signal.aborted) return null;
        if (!attempt) this.emit("inbox-error", { error: error as Error });
        await this.#pause(place, close, 1000 + Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** attempt));
      }
      if (signal.aborted) return null;
    }
    adopt(this.root, loaded.panelSheet());
    const panel = loaded.createPanel(this, client, signal, { settings, close });
    this.#fill(place, panel.element);
    return panel;
  }

  /** Show that the panel could not be loaded, and return when it is time for the next attempt. */
  #pause(place: HTMLElement | ShadowRoot, close: (() => void) | undefined, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.loadAgain = resolve;
      setTimeout(resolve, ms);
      if (place.querySelector(".failed")) return; // it would be read out again
      const click = () => {
        this.#fill(place);
        this.loadAgain();
      };
      const button = (key: Key, click: () => void) => h("button", { part: "plain", click }, this.text(key));
      const failed = h("p", { part: "failed", role: "alert" }, this.text("failed"));
      this.#fill(place, h("div", { part: "state" }, failed, button("retry", click), close && button("close", close)));
    });
  }

  /** Replace the contents of `place`, and keep the focus in it. */
  #fill(place: HTMLElement | ShadowRoot, ...contents: Node[]): void {
    const active = place.contains(this.root.activeElement) && place instanceof HTMLElement;
    place.replaceChildren(...contents);
    if (active) place.focus();
  }

  async #apply(): Promise<void> {
    const turn = ++this.#turn;
    let client = this.#current();
    const changed = this.isConnected && (await this.#translate(client));
    if (turn !== this.#turn) client = this.#current(); // another user may have signed in while the texts were loaded
    if (client === this.using && !changed) return;
    this.#ending?.abort();
    this.using = client;
    if (!this.isConnected) {
      this.#look = []; // so that everything is shown again when the element comes back
      return;
    }
    const { signal } = (this.#ending = new AbortController());
    for (const type of client ? (["state", "error", "new"] as const) : [])
      client!.addEventListener(
        type,
        ({ detail }: any) => this.emit(`inbox-${type}`, type === "new" ? { notification: detail } : detail),
        { signal },
      );
    client?.connect();
    this.show(client, signal);
    if (!client) {
      setTimeout(() => signal.aborted || this.#hint(), HINT_AFTER_MS);
      return;
    }
    const { inbox = {} } = await configOf(client);
    if (signal.aborted) return;
    this.saved = inbox;
    this.refresh();
    const { theme } = inbox;
    const loaded = theme && (await load<typeof import("./theme.ts")>("theme.js", client.url).catch(() => undefined));
    const sheet = loaded && loaded.themeSheet(theme);
    if (signal.aborted) return;
    const others = this.root.adoptedStyleSheets.filter((other) => other !== this.#themed);
    this.root.adoptedStyleSheets = sheet ? [...others, sheet] : others;
    this.#themed = sheet;
  }

  /** Return the client to use now. The session with another one ends. */
  #current(): Client | null {
    const client = this.isConnected ? this.client || this.#shared() : null;
    if (!client || this.client) this.#leave();
    return client;
  }

  /** Load the texts, and return whether the element must be drawn again. */
  async #translate(client: Client | null): Promise<boolean> {
    const { locale, messages, tabs, pushWorker } = this;
    const saved = this.saved?.locale;
    const look = [locale, messages, tabs, pushWorker, saved];
    if (this.#look.length && look.every((part, at) => part === this.#look[at])) return false;
    this.#look = look;
    const page = this.closest<HTMLElement>("[lang]")?.lang;
    const texts = await localeFor([locale, saved, page, navigator.language], addressOf(this, client), messages ?? undefined);
    if (this.#look !== look) return false; // changed again meanwhile
    this.texts = texts;
    return true;
  }

  /** Return the client that all elements with the same credentials share, null without credentials. */
  #shared(): Client | null {
    const options: ClientOptions = {};
    for (const name of CREDENTIALS) {
      const value = this.getAttribute(name)?.trim();
      if (value) options[camel(name) as "token"] = value;
    }
    if (this.getToken) options.getToken = this.getToken;
    const { token, getToken, userExternalId, userEmail } = options;
    if (!(token || getToken || userExternalId || userEmail)) return null;
    if (!this.#session || !serves(this.#session, options)) {
      this.#leave();
      try {
        this.#session = join(options);
      } catch (error) {
        console.error(error);
        this.emit("inbox-error", { error: error as Error });
      }
    }
    return this.#session && this.#session.client;
  }

  /** Tell developers what is missing. It is no error: the user may be signed out. */
  #hint(): void {
    if (this.token || this.getToken || this.userExternalId || this.userEmail) return; // an error was reported
    const found = this.getAttributeNames().join(", ") || "no attributes";
    console.info(
      `Inbox: <${this.localName}> names no user. Set token or getToken, or api-key, user-hmac and user-external-id or user-email. It has ${found}.`,
    );
  }

  #leave(): void {
    if (this.#session) leave(this.#session);
    this.#session = null;
  }
}

for (const attribute of ATTRIBUTES)
  Object.defineProperty(InboxElement.prototype, camel(attribute), {
    get(this: Element) {
      return this.getAttribute(attribute);
    },
    set(this: Element, value: string | null | undefined) {
      set(this, attribute, value);
    },
  });

for (const name of PROPERTIES) {
  const values = new WeakMap<object, unknown>();
  Object.defineProperty(InboxElement.prototype, name, {
    get(this: object) {
      return values.get(this) ?? null;
    },
    set(this: InboxElement, value: unknown) {
      values.set(this, value);
      this.refresh();
    },
  });
}
