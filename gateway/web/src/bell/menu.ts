import { focused, h, set } from "./dom.ts";
import { type Icon, icon } from "./icons.ts";
import { move } from "./keyboard.ts";
import { place } from "./place.ts";

export type MenuItem = readonly [icon: Icon, label: string, key: string, run: () => void];

/** Open a menu below a button. It closes on a choice, on Escape and on a click elsewhere, and the focus goes back. */
export function openMenu(button: HTMLElement, items: readonly MenuItem[]): void {
  const close = () => menu.hidePopover();
  const menu = h(
    "div",
    {
      part: "menu",
      role: "menu",
      popover: "auto",
      "aria-label": button.title,
      keydown(event: KeyboardEvent) {
        event.stopPropagation();
        move(event, menu);
        if (event.key === "Tab") close();
      },
      beforetoggle({ newState }: ToggleEvent) {
        set(button, "aria-expanded", newState === "open" ? "true" : "false");
        if (newState === "closed" && menu.contains(focused(menu))) button.focus();
      },
      toggle: ({ newState }: ToggleEvent) => newState === "closed" && menu.remove(),
    },
    ...items.map(([symbol, label, key, run]) => {
      const click = () => {
        close();
        run();
      };
      return h("button", { role: "menuitem", tabindex: -1, part: "menu-item", click }, icon(symbol), label, h("kbd", {}, key));
    }),
  );
  button.closest(".inbox")!.append(menu);
  menu.showPopover();
  place(menu, button);
  (menu.firstElementChild as HTMLElement).focus();
}
