/** The controls of forms. Each has its label, and works with `name` in a `Form`, or with `value` and `onValue`. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t } from "../core/text.ts";
import { IconButton } from "./button.tsx";
import { Field, type FieldProps } from "./form.tsx";
import { Icon } from "./icons.tsx";

export interface TextInputProps extends FieldProps {
  value?: string;
  initial?: string;
  onValue?: (value: string) => void;
  type?: "text" | "email" | "password" | "url" | "number" | "search" | "datetime-local" | "color";
  placeholder?: string;
  required?: boolean;
  disabled?: boolean;
  minLength?: number;
  maxLength?: number;
  min?: number;
  max?: number;
  step?: number | "any";
  pattern?: string;
  autocomplete?: string;
  autofocus?: boolean;
  /** For ids and code. */
  mono?: boolean;
}

/** Return the properties of a control's value: controlled by `value`, or free with `initial`. */
function valueOf({ value, initial, onValue }: Pick<TextInputProps, "value" | "initial" | "onValue">) {
  return {
    ...(value !== undefined ? { value } : { defaultValue: initial ?? "" }),
    onInput: (event: { currentTarget: { value: string } }) => onValue?.(event.currentTarget.value),
  };
}

/** A line of text. */
export function TextInput(props: TextInputProps) {
  const { type = "text", placeholder, required, disabled, minLength, maxLength, min, max, step, pattern, autocomplete, autofocus, mono } = props;
  return (
    <Field {...props}>
      {(control) => (
        <input
          {...control}
          {...{ placeholder, required, disabled, minLength, maxLength, min, max, step, pattern, autofocus }}
          type={type as "text"} // Preact has a type of properties for each type of input
          class={`input ${mono ? "mono" : ""}`}
          name={props.name}
          autocomplete={autocomplete ?? "off"}
          spellcheck={false}
          {...valueOf(props)}
        />
      )}
    </Field>
  );
}

/** Several lines of text. */
export function Textarea(props: TextInputProps & { rows?: number }) {
  const { placeholder, required, disabled, maxLength, rows = 4, mono } = props;
  return (
    <Field {...props}>
      {(control) => (
        <textarea
          {...control}
          {...{ placeholder, required, disabled, maxLength, rows }}
          class={`input ${mono ? "mono" : ""}`}
          name={props.name}
          {...valueOf(props)}
        />
      )}
    </Field>
  );
}

export interface Option {
  value: string;
  label: string;
  disabled?: boolean;
}

export interface SelectProps extends FieldProps {
  options: readonly Option[];
  value?: string;
  initial?: string;
  onValue?: (value: string) => void;
  required?: boolean;
  disabled?: boolean;
}

/** A choice of one in a list. */
export function Select(props: SelectProps) {
  const chosen = props.value ?? props.initial;
  return (
    <Field {...props}>
      {(control) => (
        <span class="select">
          <select
            {...control}
            class="input"
            name={props.name}
            required={props.required}
            disabled={props.disabled}
            value={props.value}
            onChange={(event) => props.onValue?.(event.currentTarget.value)}
          >
            {props.options.map(({ value, label, disabled }) => (
              <option key={value} value={value} disabled={disabled} selected={value === chosen}>
                {label}
              </option>
            ))}
          </select>
          <Icon name="down" />
        </span>
      )}
    </Field>
  );
}

export interface SwitchProps {
  label: string;
  hint?: ComponentChildren;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}

/** Something that is on or off. It applies at once. */
export function Switch({ label, hint, checked, onChange, disabled }: SwitchProps) {
  return (
    <label class={`switch ${disabled ? "off" : ""}`}>
      <input
        type="checkbox"
        role="switch"
        checked={checked}
        disabled={disabled}
        onChange={(event) => {
          const asked = event.currentTarget.checked;
          event.currentTarget.checked = checked; // shows what is, until its owner has agreed
          onChange(asked);
        }}
      />
      <span>
        {label}
        {hint && <span class="hint">{hint}</span>}
      </span>
    </label>
  );
}

/** A box to tick, as a part of a form. */
export function Checkbox({ label, hint, checked, onChange, disabled }: SwitchProps) {
  return (
    <label class={`switch ${disabled ? "off" : ""}`}>
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>
        {label}
        {hint && <span class="hint">{hint}</span>}
      </span>
    </label>
  );
}

/** A secret to enter. What is stored is never shown: a hint says whether there is one. */
export function Secret(props: TextInputProps & { isSet?: boolean }) {
  const [shown, setShown] = useState(false);
  const { placeholder = props.isSet ? "••••••••••••" : "", required, disabled, autocomplete = "new-password", minLength, autofocus } = props;
  return (
    <Field {...props}>
      {(control) => (
        <span class="secret">
          <input
            {...control}
            {...{ placeholder, required, disabled, autocomplete, minLength, autofocus }}
            class="input"
            name={props.name}
            type={(shown ? "text" : "password") as "text"}
            spellcheck={false}
            {...valueOf(props)}
          />
          <IconButton icon="eye" size="small" label={t("Show what is typed")} pressed={shown} onClick={() => setShown(!shown)} />
        </span>
      )}
    </Field>
  );
}
