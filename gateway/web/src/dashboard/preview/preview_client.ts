/** A client without a network, for elements of the bell that show what somebody is writing or designing. */

import type {
  CategoryPreference,
  Client,
  ConnectionState,
  Counts,
  Filter,
  InboxOptions,
  Notification,
} from "../../client/types.ts";
import { matches, PreviewInbox } from "./preview_inbox.ts";

/** What the elements ask the gateway for: `GET /config`, and preferences. */
export interface PreviewSettings {
  /** The address of the gateway, from which the elements load their files. */
  readonly url: string;
  /** The configuration of the `inbox` integration. */
  readonly inbox?: object | undefined;
  readonly preferences?: readonly CategoryPreference[];
}

type Action = "read" | "seen" | "archived";

const now = () => Math.floor(Date.now() / 1000);

/**
 * Holds notifications in memory. Actions change them as they do in an inbox, so that people can try the preview.
 *
 * `replace` shows other notifications in all inboxes of the client. One whose id stays is updated in place.
 */
export class PreviewClient extends EventTarget implements Client {
  readonly url: string;
  readonly state: ConnectionState = { status: "live", transport: "websocket" };
  readonly queued = 0;
  readonly position = "preview.1";
  #settings: PreviewSettings;
  #notifications: readonly Notification[];
  #inboxes: PreviewInbox[] = [];

  constructor(settings: PreviewSettings, notifications: readonly Notification[] = []) {
    super();
    this.url = settings.url;
    this.#settings = settings;
    this.#notifications = notifications;
  }

  get notifications(): readonly Notification[] {
    return this.#notifications;
  }

  get counts(): Counts {
    const active = this.#notifications.filter(({ archived_at }) => archived_at === null);
    return {
      unreadCount: active.filter(({ read_at }) => read_at === null).length,
      unseenCount: active.filter(({ seen_at }) => seen_at === null).length,
    };
  }

  /** Show these notifications, newest first. */
  replace(notifications: readonly Notification[]): void {
    this.#notifications = notifications;
    for (const inbox of this.#inboxes) inbox.show(notifications);
    this.dispatchEvent(new CustomEvent("counts", { detail: this.counts }));
  }

  inbox({ filter = {} }: InboxOptions = {}): PreviewInbox {
    const inbox = new PreviewInbox(filter, this.#notifications);
    this.#inboxes.push(inbox);
    return inbox;
  }

  async get(id: string): Promise<Notification> {
    const found = this.#notifications.find((each) => each.id === id);
    if (!found) throw new Error("Not found");
    return found;
  }

  connect(): void {}
  close(): void {}
  renew(): void {}

  read = (id: string) => this.#set({ id }, "read", true);
  unread = (id: string) => this.#set({ id }, "read", false);
  seen = (id: string) => this.#set({ id }, "seen", true);
  archive = (id: string) => this.#set({ id }, "archived", true);
  unarchive = (id: string) => this.#set({ id }, "archived", false);
  readAll = (filter: Filter = {}) => this.#set({ filter }, "read", true);
  seenAll = (filter: Filter = {}) => this.#set({ filter }, "seen", true);
  archiveAll = (filter: Filter = {}) => this.#set({ filter }, "archived", true);

  async delete(id: string): Promise<void> {
    this.replace(this.#notifications.filter((each) => each.id !== id));
  }

  prepare(action: "delete" | "archive", target: string | Filter): { commit(): Promise<void>; undo(): void } {
    const before = this.#notifications;
    if (action === "delete") void this.delete(target as string);
    else void this.#set(typeof target === "string" ? { id: target } : { filter: target }, "archived", true);
    return { commit: async () => {}, undo: () => this.replace(before) };
  }

  async preferences(): Promise<readonly CategoryPreference[]> {
    return this.#settings.preferences ?? [];
  }

  async setPreference(): Promise<void> {}
  async topics(): Promise<readonly unknown[]> {
    return [];
  }
  async subscribe(): Promise<void> {}
  async unsubscribe(): Promise<void> {}
  async addToken(): Promise<{ readonly id: string }> {
    return { id: "preview" };
  }
  async removeToken(): Promise<void> {}

  async request(method: string, path: string): Promise<Response> {
    if (method !== "GET" || path !== "/config") throw new Error("A preview sends no requests");
    const { inbox = {} } = this.#settings;
    return new Response(JSON.stringify({ inbox, channels: {}, ws: { channel: "preview" } }));
  }

  async #set(target: { id?: string; filter?: Filter }, action: Action, on: boolean): Promise<void> {
    const { id, filter } = target;
    const isMeant = (each: Notification) => (filter ? matches(each, filter) : each.id === id);
    this.replace(this.#notifications.map((each) => (isMeant(each) ? changed(each, action, on) : each)));
  }
}

function changed(notification: Notification, action: Action, on: boolean): Notification {
  const at = on ? now() : null;
  const { seen_at } = notification;
  if (action === "read") return { ...notification, read_at: at, seen_at: on ? (seen_at ?? at) : seen_at };
  return { ...notification, [`${action}_at`]: at };
}
