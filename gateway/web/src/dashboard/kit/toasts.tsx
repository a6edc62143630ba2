/** The messages of the moment, and the region that screen readers read out. The shell renders them once. */

import { announcement, closeToast, toasts } from "../core/live_region.ts";
import { useStore } from "../core/store.ts";
import { t } from "../core/text.ts";
import { Button, IconButton } from "./button.tsx";
import { Icon } from "./icons.tsx";

const ICONS = { neutral: "info", ok: "check", danger: "warning" } as const;

/** The toasts. */
export function Toasts() {
  const shown = useStore(toasts);
  const text = useStore(announcement);
  const region = (element: HTMLElement | null) => {
    // In the top layer they stand above an open dialog.
    if (element && shown.length && !element.matches(":popover-open")) element.showPopover();
    if (element && !shown.length && element.matches(":popover-open")) element.hidePopover();
  };
  return (
    <>
      <div class="hidden" role="status" aria-live="polite">
        {text}
      </div>
      <div class="toasts" popover="manual" ref={region}>
        {shown.map((each) => (
          <div key={each.id} class={`toast ${each.tone}`}>
            <Icon name={ICONS[each.tone]} />
            <span>{each.text}</span>
            {each.action && (
              <Button size="small" kind="quiet" onClick={each.action.run}>
                {each.action.label}
              </Button>
            )}
            <IconButton size="small" icon="close" label={t("Close")} onClick={() => closeToast(each.id)} />
          </div>
        ))}
      </div>
    </>
  );
}
