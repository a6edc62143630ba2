import { InboxClient, userHmac } from "../../client.js";
import { fromTemplate } from "./dom.js";
import { Panel, TRANSPORTS } from "./panel.js";

/** A person: two inboxes, and a check box among the recipients. */
export class Person {
  /**
   * `keys` are those of the project, `isTaken(userId, person)` returns whether another person has that id,
   * `onChange` is called when the panels have changed, and `log` and `onEvent` are passed to them.
   */
  constructor(userId, { keys, isTaken, onChange, log, onEvent }) {
    Object.assign(this, { keys, isTaken, onChange, log, onEvent });
    this.panels = [];
    this.element = fromTemplate("person-template");
    this.recipient = fromTemplate("recipient-template");
    const input = this.element.querySelector("input");
    input.addEventListener("change", () => this.rename(input));
    this.become(userId);
  }

  rename(input) {
    const userId = input.value.trim();
    if (userId && !this.isTaken(userId, this)) this.become(userId);
    else input.value = this.userId;
  }

  async become(userId) {
    this.leave();
    this.userId = userId;
    this.element.querySelector("h2").textContent = `Inboxes of ${userId}`;
    this.element.querySelector(".avatar").textContent = [...userId][0];
    this.element.querySelector("input").value = userId;
    this.recipient.querySelector("input").value = userId;
    this.recipient.querySelector("span").textContent = userId;

    const { apiKey, apiSecret } = this.keys;
    const hmac = await userHmac(apiSecret, userId);
    if (this.userId !== userId) return; // renamed or left meanwhile
    this.panels = Object.keys(TRANSPORTS).map((transport) => {
      const client = new InboxClient({ apiKey, userExternalId: userId, userHmac: hmac, transports: [transport] });
      return new Panel(userId, transport, client, { log: this.log, onEvent: this.onEvent });
    });
    this.element.querySelector(".panels").replaceChildren(...this.panels.map((panel) => panel.element));
    this.onChange();
    this.panels.forEach((panel) => panel.inbox.start());
  }

  leave() {
    this.panels.forEach((panel) => panel.inbox.stop());
    this.panels = [];
    this.userId = null;
  }
}
