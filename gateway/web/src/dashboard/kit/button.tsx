/** Buttons. One that runs something asynchronous shows that it is busy, and cannot be pressed meanwhile. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { asFailure } from "../core/failure.ts";
import { toast } from "../core/live_region.ts";
import { Icon, type IconName } from "./icons.tsx";

export interface ButtonProps {
  children?: ComponentChildren;
  /** What it does. A failure of a promise that it returns is shown as a toast. */
  onClick?: (event: MouseEvent) => unknown;
  /** The address that it leads to: then it is a link. */
  href?: string;
  download?: string | boolean;
  target?: string;
  kind?: "primary" | "secondary" | "quiet" | "danger";
  size?: "small" | "normal";
  icon?: IconName;
  type?: "button" | "submit";
  form?: string;
  disabled?: boolean;
  busy?: boolean;
  title?: string;
  class?: string;
  autofocus?: boolean;
}

/** A button, or a link that looks like one. */
export function Button(props: ButtonProps) {
  const { children, icon, kind = "secondary", size = "normal", disabled, title, href } = props;
  const [running, setRunning] = useState(false);
  const busy = props.busy || running;
  const className = `button ${kind} ${size === "small" ? "small" : ""} ${busy ? "busy" : ""} ${props.class ?? ""}`;
  const content = (
    <>
      {icon && <Icon name={icon} />}
      {children !== undefined && <span>{children}</span>}
    </>
  );

  async function press(event: MouseEvent): Promise<void> {
    const result = props.onClick?.(event);
    if (!(result instanceof Promise)) return;
    setRunning(true);
    try {
      await result;
    } catch (error) {
      toast(asFailure(error).message, "danger");
    } finally {
      setRunning(false);
    }
  }

  if (href !== undefined && !disabled) {
    return (
      <a class={className} href={href} download={props.download} target={props.target} title={title} onClick={props.onClick}>
        {content}
      </a>
    );
  }
  return (
    <button
      class={className}
      type={props.type ?? "button"}
      form={props.form}
      disabled={disabled}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      title={title}
      autofocus={props.autofocus}
      onClick={(event) => (busy ? event.preventDefault() : void press(event))}
    >
      {content}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, "children" | "icon"> {
  icon: IconName;
  /** What it does, for screen readers and as its tooltip. */
  label: string;
  pressed?: boolean;
}

/** A button with an icon alone. */
export function IconButton({ icon, label, pressed, kind = "quiet", size, class: className = "", onClick, href, disabled }: IconButtonProps) {
  const classes = `button icon-only ${kind} ${size === "small" ? "small" : ""} ${className}`;
  if (href !== undefined) {
    return (
      <a class={classes} href={href} aria-label={label} title={label} onClick={onClick}>
        <Icon name={icon} />
      </a>
    );
  }
  return (
    <button class={classes} type="button" aria-label={label} title={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
