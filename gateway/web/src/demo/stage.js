import { Device } from "./device.js";
import { $, byId, element, fromTemplate, report } from "./dom.js";
import { call } from "./visit.js";

const RESTART_MS = 60_000; // a restart that takes longer has failed

/** All devices of the visit. */
export class Stage {
  devices = [];
  #restarting = null; // the devices that have not moved to the new worker

  constructor({ people, devices, can_restart: canRestart }) {
    for (const { id, name } of people) {
      const own = devices.filter(({ person }) => person === id).map((each) => new Device(each, name));
      const section = fromTemplate("person-template");
      $("h2", section).textContent = name;
      section.dataset.person = id;
      $(".devices", section).append(...own.map((device) => device.element));
      for (const device of own) device.addEventListener("change", () => this.#changed(section, own));
      this.devices.push(...own);
      $(".stage").append(section);
    }
    this.#fillSwitcher();
    byId("restart").hidden = !canRestart;
    byId("restart").addEventListener("click", () => this.#restart());
  }

  setTheme(theme) {
    for (const device of this.devices) device.command("theme", { theme });
  }

  /** On a narrow screen, one device is shown at a time. */
  #fillSwitcher() {
    const buttons = this.devices.map((device) => {
      const button = element("button", { type: "button" }, element("span", { textContent: device.label }));
      button.addEventListener("click", () => choose(device));
      return button;
    });
    const choose = (chosen) => {
      this.devices.forEach((device, place) => {
        device.element.classList.toggle("chosen", device === chosen);
        buttons[place].setAttribute("aria-pressed", device === chosen);
      });
      for (const person of document.querySelectorAll(".person")) person.classList.toggle("chosen", person.contains(chosen.element));
    };
    $(".switcher").append(...buttons);
    choose(this.devices[1] ?? this.devices[0]);
  }

  #changed(section, [one, other]) {
    const step = $(".step", section);
    const inStep = one.position !== null && one.position === other.position;
    step.classList.toggle("apart", !inStep);
    const ahead = one.offset - other.offset;
    const behind = `${(ahead > 0 ? other : one).kind} is ${Math.abs(ahead)} behind`;
    const text = inStep ? `in step at ${one.position}` : ahead ? behind : "";
    if (step.textContent !== text) step.textContent = text;
    const live = this.devices.filter((device) => device.isLive && !device.isCut).length;
    const all = $(".all");
    all.classList.toggle("partly", live < this.devices.length);
    const counted = `${live} of ${this.devices.length} devices live`;
    if (all.lastElementChild.textContent !== counted) all.lastElementChild.textContent = counted;
    this.#checkRestart();
  }

  async #restart() {
    const [button, outcome] = [byId("restart"), byId("restarted")];
    button.disabled = true;
    try {
      // Each device leaves the old worker once, and is live again on the new one.
      this.#restarting = new Map(this.devices.filter(({ isLive, isCut }) => isLive && !isCut).map((device) => [device, "here"]));
      await call("restarts");
      report(outcome, "A new worker starts…");
      setTimeout(() => this.#endRestart("The worker was not replaced."), RESTART_MS, this.#restarting);
    } catch (error) {
      this.#restarting = null;
      if (error.status === 429) {
        report(outcome, `${error.message}: in ${error.retryAfter} s it is replaced…`);
        return setTimeout(() => this.#restart(), error.retryAfter * 1000);
      }
      button.disabled = false;
      report(outcome, `${error.message}.`, true);
    }
  }

  #checkRestart() {
    const waiting = this.#restarting;
    if (!waiting) return;
    for (const [device, place] of waiting) {
      if (place === "here" && !device.isLive) waiting.set(device, "away");
      if (place === "away" && device.isLive) waiting.set(device, "back");
    }
    const back = [...waiting.values()].filter((place) => place === "back").length;
    if (back === waiting.size) this.#endRestart(`${back} devices moved to a new worker, and went on at their last positions.`);
    else if (back) report(byId("restarted"), `${back} of ${waiting.size} devices have moved…`);
  }

  #endRestart(text) {
    if (!this.#restarting) return;
    this.#restarting = null;
    byId("restart").disabled = false;
    report(byId("restarted"), text);
  }
}
