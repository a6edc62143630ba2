import { Actions } from "./actions.ts";
import { Inbox } from "./inbox.ts";
import type { CategoryPreference, Client, InboxOptions, Notification } from "./types.ts";

/**
 * One user's access to the gateway: inboxes, actions (`Actions`), and the live stream (`LiveClient`).
 *
 * Call `close` when done; until then the client keeps reconnecting.
 */
export class InboxClient extends Actions implements Client {
  /** Return a filtered list of notifications, which `start` keeps up to date. */
  inbox(options?: InboxOptions): Inbox {
    return new Inbox(this, options);
  }

  async get(id: string): Promise<Notification> {
    return (await this.#json("GET", `/notifications/${encodeURIComponent(id)}`)).notification;
  }

  async preferences(): Promise<readonly CategoryPreference[]> {
    const { categories } = await this.#json("GET", PREFERENCES);
    return categories.map(({ key, label, channels }: V2Category) => ({
      slug: key,
      name: label,
      channels: channels.map(({ name, enabled }) => ({ slug: name, name: null, enabled })),
    }));
  }

  async setPreference(category: string, channel: string, enabled: boolean): Promise<void> {
    const categories = [{ key: category, channels: [{ name: channel, enabled }] }];
    await this.request("PUT", PREFERENCES, { body: { categories } });
  }

  async topics(): Promise<readonly unknown[]> {
    return (await this.#json("GET", "/subscriptions")).subscriptions;
  }

  async subscribe(topic: string, categories?: readonly string[]): Promise<void> {
    await this.request("POST", "/subscriptions", { body: subscription(categories, topic) });
  }

  async unsubscribe(topic: string, categories?: readonly string[]): Promise<void> {
    await this.request("POST", `/subscriptions/${encodeURIComponent(topic)}/unsubscribe`, { body: subscription(categories) });
  }

  addToken(channel: string, token: object): Promise<{ readonly id: string }> {
    return this.#json("PUT", `/v2/channels/${channel}/tokens`, token);
  }

  async removeToken(channel: string, id: string): Promise<void> {
    await this.request("DELETE", `/v2/channels/${channel}/tokens/${encodeURIComponent(id)}`);
  }

  async #json(method: string, path: string, body?: object) {
    return (await this.request(method, path, { body })).json();
  }
}

const PREFERENCES = "/v2/channels/user_preferences";

interface V2Category {
  key: string;
  label: string;
  channels: { name: string; enabled: boolean }[];
}

/** The body of a subscription to categories of a topic, or to all of them. */
function subscription(categories: readonly string[] = ["*"], topic?: string): object {
  return { subscription: { topic, categories: categories.map((slug) => ({ slug })) } };
}
