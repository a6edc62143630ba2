import { h, set } from "./dom.ts";

export interface SwitchOptions {
  readonly label: string;
  /** The accessible name, which contains the label. */
  readonly name: string;
  readonly on: boolean;
  save(on: boolean): Promise<void>;
  /** Called for each change that is shown. The error is why a change was taken back. */
  changed(on: boolean, error?: Error): void;
}

/**
 * Return a switch that shows a change at once, saves it, and takes it back if it cannot be saved.
 *
 * One request runs at a time. What the user has chosen meanwhile is saved after it.
 */
export function switchButton({ label, name, on, save, changed }: SwitchOptions): HTMLButtonElement {
  let wanted = on;
  let confirmed = on;
  let saving = false;

  function show(error?: Error) {
    set(button, "aria-checked", `${wanted}`);
    changed(wanted, error);
  }

  async function saveAll() {
    saving = true;
    set(button, "aria-busy", "true");
    while (wanted !== confirmed) {
      const sent = wanted;
      try {
        await save(sent);
        confirmed = sent;
      } catch (error) {
        if (wanted !== sent) continue; // the user has taken it back
        wanted = confirmed;
        show(error as Error);
      }
    }
    saving = false;
    set(button, "aria-busy", null);
  }

  function click() {
    wanted = !wanted;
    show();
    if (!saving) saveAll();
  }

  const button = h(
    "button",
    { type: "button", role: "switch", part: "switch", "aria-checked": `${on}`, "aria-label": name, click },
    h("span", {}, label),
    h("i", { "aria-hidden": "true" }),
  );
  return button;
}
