import { noteArrival } from "./composer.js";
import { $, fromTemplate } from "./dom.js";
import { addEvent, addState } from "./events.js";
import { call } from "./visit.js";

const REASONS = { token_revoked: "token revoked", token_expired: "token expired" };
const TRANSPORTS = { websocket: "WebSocket", sse: "SSE" };

/** One device of a person, in a frame. Dispatches "change" when its state or position has changed. */
export class Device extends EventTarget {
  position = null;
  status = "connecting";
  isCut = false;
  #missed = null; // events since the network came back, null if it was not away
  #reason = "";

  constructor({ id, person, kind, transport }, name) {
    super();
    Object.assign(this, { id, person, kind, transport, name, label: `${name}’s ${kind}` });
    this.element = fromTemplate("device-template");
    this.element.classList.add(kind);
    this.element.dataset.device = id;
    $("strong", this.element).textContent = this.label;
    this.frame = $("iframe", this.element);
    this.frame.title = this.label;
    this.frame.src = `demo/device#${id},${transport},${name[0]}`;
    $(".network", this.element).addEventListener("click", () => this.#toggleNetwork());
    $(".token", this.element).addEventListener("click", () => this.#toggleToken());
    addEventListener("message", ({ source, data }) => {
      if (source === this.frame.contentWindow) this.#receive(data);
    });
  }

  /** How many events the device has received: the offset of its position. */
  get offset() {
    return Number(this.position?.split(".").at(-1) ?? NaN);
  }

  get isLive() {
    return this.status === "live";
  }

  /** Send a command to the page in the frame. */
  command(type, detail = {}) {
    this.frame.contentWindow.postMessage({ ...detail, type }, location.origin);
  }

  #receive(data) {
    if (data.type === "loaded") {
      this.command("theme", { theme: document.documentElement.dataset.theme ?? "auto" });
      this.command("sign-in");
    }
    if (data.type === "problem") this.#show("ended", data.message);
    if (data.type === "position") this.position = data.position;
    if (data.type === "event") this.#receiveEvent(data);
    if (data.type === "state") this.#receiveState(data.state);
    this.dispatchEvent(new Event("change"));
  }

  #receiveEvent(received) {
    this.position = received.position;
    if (this.#missed !== null) {
      this.#missed++;
      this.#show(this.status, this.#reason);
    }
    addEvent(this, received, noteArrival(received.delivery));
  }

  #receiveState({ status, reason }) {
    if (status !== this.status && this.status !== "connecting") addState(this, status);
    this.#show(status, reason);
  }

  #show(status, reason = "") {
    this.status = status;
    this.#reason = reason;
    const { element, isCut } = this;
    element.dataset.state = isCut ? "cut" : status;
    const live = `Live over ${TRANSPORTS[this.transport]}`;
    const texts = {
      live: this.#missed ? `${live}, with ${this.#missed} missed ${this.#missed === 1 ? "event" : "events"}` : live,
      ended: `Signed out: ${REASONS[reason] ?? (reason || "access ended")}`,
      connecting: "Connecting…",
    };
    $(".state", element).textContent = isCut ? "No network" : (texts[status] ?? "Reconnecting…");
    $(".network", element).textContent = isCut ? "Reconnect" : "Cut the network";
    $(".network", element).setAttribute("aria-pressed", isCut);
    $(".network", element).disabled = status === "ended" && !isCut;
    $(".token", element).textContent = status === "ended" && !isCut ? "Sign in again" : "Revoke the token";
    $(".token", element).disabled = isCut;
  }

  #toggleNetwork() {
    this.isCut = !this.isCut;
    this.#missed = this.isCut ? null : 0;
    this.command(this.isCut ? "cut" : "restore");
    this.#show(this.status, this.#reason);
    this.dispatchEvent(new Event("change"));
  }

  async #toggleToken() {
    if (this.status === "ended") {
      this.#missed = 0;
      return this.command("sign-in");
    }
    this.#missed = null;
    try {
      await call("revocations", { device: this.id });
    } catch (error) {
      $(".state", this.element).textContent = `Not revoked: ${error.message}`;
    }
  }
}
