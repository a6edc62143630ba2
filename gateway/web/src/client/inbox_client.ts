import { LiveClient } from "./live_client.ts";
import type { CountsBody } from "./messages.ts";
import type { Filter, Notification } from "./types.ts";

/** A page of `GET /notifications`, with the position of the log at which it was read. */
export interface Page extends CountsBody {
  readonly notifications: readonly Notification[];
  readonly total: number;
  /** Null for a user without a log. */
  readonly position: string | null;
}

/**
 * One user's access to the gateway: requests to the REST API, and the live stream of LiveClient.
 *
 * Call `close` when done; until then the client keeps reconnecting.
 */
export class InboxClient extends LiveClient {
  /** Return a page of notifications, newest first, with the counts of all that match the filters. */
  async list({ page, perPage, ...filters }: Filter & { page?: number; perPage?: number } = {}): Promise<Page> {
    const response = await this.api.request("GET", "/notifications", { page, per_page: perPage, ...filters });
    return { ...(await response.json()), position: response.headers.get("X-Inbox-Position") };
  }

  async get(id: string): Promise<Notification> {
    const response = await this.api.request("GET", notificationPath(id));
    return (await response.json()).notification;
  }

  /** Mark as read, which also marks as seen. */
  read(id: string): Promise<void> {
    return this.#change("POST", notificationPath(id, "/read"));
  }

  unread(id: string): Promise<void> {
    return this.#change("POST", notificationPath(id, "/unread"));
  }

  seen(id: string): Promise<void> {
    return this.#change("POST", notificationPath(id, "/seen"));
  }

  archive(id: string): Promise<void> {
    return this.#change("POST", notificationPath(id, "/archive"));
  }

  unarchive(id: string): Promise<void> {
    return this.#change("DELETE", notificationPath(id, "/archive"));
  }

  delete(id: string): Promise<void> {
    return this.#change("DELETE", notificationPath(id));
  }

  /** Mark all that match the filters as read. */
  readAll(filter: Filter = {}): Promise<void> {
    return this.#change("POST", "/notifications/read", filter);
  }

  /** Mark all that match the filters as seen. */
  seenAll(filter: Filter = {}): Promise<void> {
    return this.#change("POST", "/notifications/seen", filter);
  }

  async #change(method: string, path: string, filter?: Filter): Promise<void> {
    await this.api.request(method, path, filter);
  }
}

function notificationPath(id: string, action = ""): string {
  return `/notifications/${encodeURIComponent(id)}${action}`;
}
