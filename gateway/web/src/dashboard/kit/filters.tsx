/** The filters above a list. What is typed applies after a moment, the rest at once. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { t } from "../core/text.ts";
import { Button } from "./button.tsx";
import type { Option } from "./fields.tsx";
import { Icon } from "./icons.tsx";

const APPLIED_AFTER_MS = 250;

/** A row of filters. `children` are the filters. */
export function FilterBar({ filters, children }: { filters?: { active: boolean; clear: () => void }; children: ComponentChildren }) {
  return (
    <div class="filter-bar" role="search">
      {children}
      {filters?.active && (
        <Button kind="quiet" icon="close" onClick={filters.clear}>
          {t("Clear filters")}
        </Button>
      )}
    </div>
  );
}

export interface SearchFieldProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  placeholder?: string;
  mono?: boolean;
}

/** A field for a search. The key "/" moves the focus into it. */
export function SearchField({ label, value, onValue, placeholder, mono }: SearchFieldProps) {
  const id = useId();
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  function type(next: string): void {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onValue(next.trim()), APPLIED_AFTER_MS);
  }
  return (
    <span class="search">
      <Icon name="search" />
      <label class="hidden" for={id}>
        {label}
      </label>
      <input
        id={id}
        class={`input ${mono ? "mono" : ""}`}
        type="search"
        data-search
        value={text}
        placeholder={placeholder ?? label}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </span>
  );
}

/** A choice of one value. The first option, with an empty value, stands for all. */
export function FilterSelect({ label, value, onValue, options }: { label: string; value: string; onValue: (value: string) => void; options: readonly Option[] }) {
  return (
    <span class={`select ${value ? "chosen" : ""}`}>
      <select class="input" aria-label={label} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === value}>
            {option.label}
          </option>
        ))}
      </select>
      <Icon name="down" />
    </span>
  );
}
