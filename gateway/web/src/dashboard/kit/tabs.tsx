/** Tabs. With `param`, the address has the chosen one. */

import { useParam } from "../core/url_state.ts";

export interface Tab {
  id: string;
  label: string;
  count?: number;
}

export interface TabsProps {
  label: string;
  tabs: readonly Tab[];
  value: string;
  onChange: (id: string) => void;
  /** The look of a control with segments. */
  segmented?: boolean;
}

/** A row of tabs. What they choose is rendered by the caller. */
export function Tabs({ label, tabs, value, onChange, segmented }: TabsProps) {
  function move(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = tabs[(tabs.findIndex(({ id }) => id === value) + step + tabs.length) % tabs.length];
    if (!to) return;
    onChange(to.id);
    (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-id="${to.id}"]`)?.focus();
  }
  return (
    <div class={segmented ? "tabs segmented" : "tabs"} role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map((tab) => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          data-id={tab.id}
          aria-selected={tab.id === value}
          tabIndex={tab.id === value ? 0 : -1}
          onClick={() => onChange(tab.id)}
        >
          {tab.label}
          {tab.count !== undefined && <span class="count">{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

/** Return the id of the chosen tab, which the address has, and the function that chooses another. */
export function useTab(tabs: readonly Tab[], param = "tab"): [string, (id: string) => void] {
  const [chosen, choose] = useParam(param);
  const first = tabs[0]?.id ?? "";
  const value = tabs.some(({ id }) => id === chosen) ? chosen : first;
  return [value, (id) => choose(id === first ? null : id)];
}
