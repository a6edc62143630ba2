import type { Client } from "../client/types.ts";
import { InboxElement } from "./element.ts";
import { settingsOf } from "./preferences.ts";

/** `<inbox-list>`: the inbox as a part of a page. */
export class InboxList extends InboxElement {
  protected override async show(client: Client | null, signal: AbortSignal): Promise<void> {
    const panel = await this.createPanel(this.root, client, signal, settingsOf);
    if (!panel) return;
    if (this.locale) panel.element.dir = this.texts.direction;
    panel.element.addEventListener("keydown", panel.keydown);
    panel.show(true);
  }
}
