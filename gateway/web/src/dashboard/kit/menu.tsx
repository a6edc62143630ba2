/** Menus: a button, and a popover with what can be chosen. */

import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons.tsx";

export interface MenuItem {
  label: string;
  icon?: IconName;
  onSelect?: () => void;
  href?: string;
  danger?: boolean;
  /** Whether it is the one that applies. */
  checked?: boolean;
  disabled?: boolean;
}

export interface MenuProps {
  /** What it is, for screen readers. */
  label: string;
  items: readonly MenuItem[];
  /** The content of the button; by default three dots. */
  children?: ComponentChildren;
  class?: string;
}

const GAP = 4;

/** Put a popover below a button, or above it if there is no space, within the window. */
function place(popover: HTMLElement, button: HTMLElement): void {
  const [around, size] = [button.getBoundingClientRect(), popover.getBoundingClientRect()];
  const isBelow = around.bottom + GAP + size.height <= innerHeight || around.top < size.height;
  const start = getComputedStyle(button).direction === "rtl" ? around.right - size.width : around.left;
  const left = Math.max(8, Math.min(start, innerWidth - size.width - 8));
  const top = Math.max(8, isBelow ? around.bottom + GAP : around.top - size.height - GAP);
  popover.style.setProperty("left", `${left}px`);
  popover.style.setProperty("top", `${top}px`);
}

/** A menu. Arrows move in it, Escape closes it. */
export function Menu({ label, items, children, class: className = "" }: MenuProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const entries = () => [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];

  function toggled(event: { newState: string }): void {
    button.current?.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState !== "open" || !list.current || !button.current) return;
    place(list.current, button.current);
    entries()[0]?.focus();
  }

  function move(event: KeyboardEvent): void {
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  }

  function choose(item: MenuItem): void {
    list.current?.hidePopover();
    item.onSelect?.();
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        class={`button quiet ${children === undefined ? "icon-only" : ""} ${className}`}
        popovertarget={id}
        aria-haspopup="menu"
        aria-expanded={false}
        aria-label={label}
        title={children === undefined ? label : undefined}
        onClick={(event) => event.stopPropagation()}
      >
        {children ?? <Icon name="more" />}
      </button>
      <div ref={list} id={id} popover="auto" class="menu" role="menu" aria-label={label} onToggle={toggled} onKeyDown={move}>
        {items.map((item) => (
          <MenuRow key={item.label} item={item} onChoose={() => choose(item)} />
        ))}
      </div>
    </>
  );
}

function MenuRow({ item, onChoose }: { item: MenuItem; onChoose: () => void }) {
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  const checked = item.checked === undefined ? {} : { "aria-checked": item.checked };
  const content = (
    <>
      {item.icon && <Icon name={item.icon} />}
      <span>{item.label}</span>
      {item.checked && <Icon name="check" class="end" />}
    </>
  );
  const className = item.danger ? "danger" : "";
  if (item.href !== undefined) {
    return (
      <a role={role} {...checked} class={className} href={item.href} tabIndex={-1} onClick={onChoose}>
        {content}
      </a>
    );
  }
  return (
    <button type="button" role={role} {...checked} class={className} tabIndex={-1} disabled={item.disabled} onClick={onChoose}>
      {content}
    </button>
  );
}
