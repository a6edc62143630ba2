/** Dialogs and drawers: native dialogs, which keep the focus inside and give it back. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../core/text.ts";
import { IconButton } from "./button.tsx";

export interface DialogProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  /** Stands at the end: the buttons. */
  footer?: ComponentChildren;
  /** Stands beside the title. */
  actions?: ComponentChildren;
  wide?: boolean;
}

function Modal({ title, children, onClose, footer, actions, className }: Omit<DialogProps, "wide"> & { className: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const opener = document.activeElement;
    element.showModal();
    // A browser chooses the first button. What the drawer is about comes first, unless a field asks for the focus.
    if (element.classList.contains("drawer") && !element.querySelector("[autofocus]")) element.querySelector("h2")?.focus();
    return () => {
      element.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      class={className}
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        close.current();
      }}
      onMouseDown={(event) => event.target === dialog.current && close.current()}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={id} tabIndex={-1}>{title}</h2>
          {actions}
          <IconButton icon="close" label={t("Close")} onClick={() => close.current()} />
        </div>
        <div class="dialog-content">{children}</div>
        {footer && <div class="dialog-foot">{footer}</div>}
      </div>
    </dialog>
  );
}

/** A dialog in the middle. Render it while it is open. */
export function Dialog({ wide, ...props }: DialogProps) {
  return <Modal {...props} className={`dialog ${wide ? "wide" : ""}`} />;
}

/** A drawer at the end of the page. Render it while the address names what it shows. */
export function Drawer(props: DialogProps) {
  return <Modal {...props} className="drawer" />;
}
