import type { Client } from "../client/types.ts";
import { InboxElement } from "./element.ts";
import { createPanel } from "./panel.ts";

/** `<inbox-list>`: the inbox as a part of a page. */
export class InboxList extends InboxElement {
  protected override show(client: Client | null, signal: AbortSignal): void {
    const panel = createPanel(this, client, signal);
    if (this.locale) panel.element.dir = this.texts.direction;
    this.root.replaceChildren(panel.element);
    panel.show(true);
  }
}
