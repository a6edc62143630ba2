/** Web push in this browser: subscribing after the user asked for it, and keeping the subscription known. */

import type { Client } from "../client/types.ts";
import type { Config } from "./config.ts";

/**
 * What web push is in this browser.
 *
 *     unsupported  the browser has none, or the page is not secure
 *     install      iOS has it only for sites on the Home Screen
 *     denied       the user or the browser refuses it
 *     off, on      whether this user gets messages here
 */
export type PushState = "unsupported" | "install" | "denied" | "off" | "on";

/** What this browser remembers of the subscription. It contains no secret. */
interface Saved {
  /** The user, by the name of the channel in `GET /config`. */
  readonly user: string;
  /** The id of the channel token. */
  readonly token: string;
  /** A digest of the endpoint. The endpoint itself is a secret. */
  readonly endpoint: string;
}

export const STORED = "inbox-push";

const START = "/v2/integrations/web_push/installations/start";
const TOKENS = "/v2/channels/web_push/tokens";

export class Push {
  #client: Client;
  #config: Config;
  #worker: URL;

  /** `worker` is the address of the service worker, which is of the page's own origin. */
  constructor(client: Client, config: Config, worker: string) {
    this.#client = client;
    this.#config = config;
    this.#worker = new URL(worker, document.baseURI);
  }

  async state(): Promise<PushState> {
    if (!supported()) return isIos() ? "install" : "unsupported";
    if (Notification.permission === "denied") return "denied";
    const stored = saved();
    if (!stored || Notification.permission !== "granted" || stored.user !== this.#user) return "off";
    const subscription = await this.#subscription();
    return subscription && stored.endpoint === (await digest(subscription.endpoint)) ? "on" : "off";
  }

  /** Ask for permission, and subscribe. Call it in the listener of a click. Throws if it fails. */
  async turnOn(): Promise<void> {
    const permission = await Notification.requestPermission(); // first: Safari asks only during the click
    if (permission === "granted") await this.#subscribe();
  }

  async turnOff(): Promise<void> {
    const stored = saved();
    await (await this.#subscription())?.unsubscribe();
    save(null);
    if (stored) await this.#client.request("DELETE", `${TOKENS}/${stored.token}`).catch(() => {}); // already discarded
  }

  /** Keep up what was turned on earlier, until the signal aborts. Messages for another user of the browser end. */
  async resume(signal: AbortSignal): Promise<void> {
    const stored = saved();
    const user = this.#user;
    if (!supported() || !stored || !user || signal.aborted) return;
    if (stored.user !== user || Notification.permission !== "granted") {
      await (await this.#subscription())?.unsubscribe();
      return save(null);
    }
    const subscription = await this.#subscription();
    if (!subscription || stored.endpoint !== (await digest(subscription.endpoint))) await this.#subscribe();
    navigator.serviceWorker.addEventListener("message", ({ data }) => this.#received(data), { signal });
    navigator.serviceWorker.startMessages();
  }

  #received(message: { type?: unknown; id?: unknown } | null): void {
    if (message?.type === "inbox-push-opened" && typeof message.id === "string")
      this.#client.read(message.id).catch(() => {}); // it may have been deleted
    if (message?.type === "inbox-push-renewed") this.#subscribe().catch(() => {}); // the next page tries again
  }

  async #subscribe(): Promise<void> {
    const user = this.#user;
    if (!user) throw new Error("The configuration could not be fetched");
    const { public_key } = (await (await this.#client.request("POST", START)).json()) as { public_key: string };
    const { pushManager } = await this.#registered();
    let subscription = await pushManager.getSubscription();
    if (subscription && keyOf(subscription) !== public_key) {
      await subscription.unsubscribe(); // the project has another key pair now
      subscription = null;
    }
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key });
    const { endpoint, keys } = subscription.toJSON();
    const response = await this.#client.request("POST", TOKENS, { body: { endpoint, keys } });
    const { id } = (await response.json()) as { id: string };
    save({ user, token: id, endpoint: await digest(subscription.endpoint) });
  }

  get #user(): string | undefined {
    return this.#config.ws?.channel;
  }

  async #subscription(): Promise<PushSubscription | null> {
    return (await (await this.#registration())?.pushManager.getSubscription()) ?? null;
  }

  /** Return the registration of the worker. A page may have registered the same script for its own purposes. */
  async #registration(): Promise<ServiceWorkerRegistration | undefined> {
    const all = await navigator.serviceWorker.getRegistrations();
    return all.find(({ active, waiting, installing }) =>
      [active, waiting, installing].some((worker) => worker?.scriptURL === this.#worker.href),
    );
  }

  /**
   * Return the registration with an active worker, after registering it if necessary.
   *
   * Its scope is its own address, so that it controls no page, and replaces no service worker of the application.
   */
  async #registered(): Promise<ServiceWorkerRegistration> {
    const { pathname, href } = this.#worker;
    const registration = (await this.#registration()) ?? (await navigator.serviceWorker.register(scriptUrl(href), { scope: pathname }));
    const worker = registration.installing ?? registration.waiting;
    if (registration.active || !worker) return registration;
    await new Promise<void>((resolve, reject) => {
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated") resolve();
        if (worker.state === "redundant") reject(new Error(`${href} could not be installed`));
      });
    });
    return registration;
  }
}

/** The part of Trusted Types that is used, which TypeScript does not know. */
interface Factory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

const { trustedTypes } = globalThis as { trustedTypes?: Factory };
let policy: ReturnType<Factory["createPolicy"]> | undefined;

/** Return an address of a script as Trusted Types want it. Throws where the page forbids policies of this name. */
function scriptUrl(url: string): string {
  policy ??= trustedTypes?.createPolicy("inbox-push", { createScriptURL: (each) => each }); // the page names the script
  return policy?.createScriptURL(url) ?? url;
}

function supported(): boolean {
  return isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

function isIos(): boolean {
  const { userAgent, maxTouchPoints } = navigator;
  return /iPhone|iPad/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

/** Return the key of a subscription in base64url. */
function keyOf({ options }: PushSubscription): string {
  const bytes = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer(0));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes, 0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function saved(): Saved | null {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "null");
  } catch {
    return null; // storage is forbidden, or has something else
  }
}

function save(value: Saved | null): void {
  try {
    if (value) localStorage.setItem(STORED, JSON.stringify(value));
    else localStorage.removeItem(STORED);
  } catch {
    // Without storage, the browser is asked each time.
  }
}
