import type { Client } from "../client/types.ts";
import { load } from "./assets.ts";
import { type Config, configOf } from "./config.ts";
import { h } from "./dom.ts";
import { InboxElement } from "./element.ts";
import { adopt } from "./styles.ts";

/** `<inbox-preferences>`: the notification settings as a part of a page. */
export class InboxPreferences extends InboxElement {
  protected override show(client: Client | null): void {
    const element = client ? settingsOf(this, client) : h("p", { class: "failed" }, this.text("signed_out_hint"));
    if (this.locale) element.dir = this.texts.direction;
    this.root.replaceChildren(element);
  }
}

/** Return the notification settings of a user. They are loaded when they are first shown. */
export function settingsOf(host: InboxElement, client: Client): HTMLElement {
  const element = h("div", { class: "settings" });
  async function show() {
    try {
      const [{ settings, settingsSheet }, config] = await loaded(client);
      adopt(host.shadowRoot!, settingsSheet());
      element.replaceChildren(settings({ client, config, texts: host.texts, worker: workerOf(host, client, config) }));
    } catch {
      const button = h("button", { click: show }, host.text("retry"));
      element.replaceChildren(h("p", { class: "failed", role: "alert" }, host.text("settings_failed"), " ", button));
    }
  }
  show();
  return element;
}

/** Keep up the web push that the user has turned on in this browser. */
export async function resumePush(host: InboxElement, client: Client, signal: AbortSignal): Promise<void> {
  try {
    if (!localStorage.getItem("inbox-push")) return;
    const [{ Push }, config] = await loaded(client);
    const worker = workerOf(host, client, config);
    if (worker) await new Push(client, config, worker).resume(signal);
  } catch {
    // Storage is forbidden, or the network has failed: the next page tries again.
  }
}

function loaded(client: Client) {
  return Promise.all([load<typeof import("./settings.ts")>("settings.js", client.url), configOf(client)]);
}

/** Return the address of the service worker, null if web push is not offered. A worker is of the page's own origin. */
function workerOf({ pushWorker }: InboxElement, { url }: Client, { channels }: Config): string | null {
  const own = channels?.["web_push"]?.enabled && new URL(url).origin === location.origin;
  return pushWorker || (own ? `${url.replace(/\/$/, "")}/push-worker.js` : null);
}
