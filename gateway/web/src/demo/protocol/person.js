import { InboxClient } from "../../client.js";
import { tokenOf } from "../visit.js";
import { fromTemplate } from "./dom.js";
import { Panel } from "./panel.js";

/** A person: an inbox on each device, and a check box among the recipients. */
export class Person {
  /** `log` and `onEvent` are passed to the panels. */
  constructor({ id, name, external_id: userId }, { log, onEvent }) {
    this.userId = userId;
    this.panels = [];
    this.surroundings = { log, onEvent };
    this.element = fromTemplate("person-template");
    this.element.querySelector("h2").textContent = `Inboxes of ${userId}`;
    this.element.querySelector(".avatar").textContent = name[0];
    this.element.querySelector(".person-name").textContent = name;
    this.element.querySelector(".person-id").textContent = userId;
    this.recipient = fromTemplate("recipient-template");
    this.recipient.querySelector("input").value = id;
    this.recipient.querySelector("span").textContent = name;
  }

  /** Open an inbox for each of these devices. */
  open(devices) {
    for (const { id, transport } of devices) {
      const getToken = () => tokenOf(id);
      const client = new InboxClient({ getToken, transports: [transport], shareConnection: false });
      const panel = new Panel(this.userId, transport, client, this.surroundings);
      this.panels.push(panel);
      this.element.querySelector(".panels").append(panel.element);
      panel.inbox.start();
    }
  }
}
