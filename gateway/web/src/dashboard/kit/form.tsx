/** Forms. The messages of the gateway appear beside the fields that they name. */

import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useId, useRef, useState } from "preact/hooks";
import type { CurlCall } from "../core/curl.ts";
import { type ApiFailure, asFailure } from "../core/failure.ts";
import { announce } from "../core/live_region.ts";
import { t } from "../core/text.ts";
import { Button, type ButtonProps } from "./button.tsx";
import { CopyCurl } from "./copy.tsx";

const Errors = createContext<Readonly<Record<string, string>>>({});

export interface FormProps {
  children: ComponentChildren;
  /** Called with the texts of the fields by name. A failure that it raises is shown in the form. */
  onSubmit: (values: Record<string, string>) => Promise<unknown>;
  /** The label of the button. Without one, the form has no button of its own. */
  submit?: string;
  submitKind?: ButtonProps["kind"];
  disabled?: boolean;
  id?: string;
  /** The operation that it calls, with the values of the moment: then "Copy as curl" stands beside the button. */
  curl?: (values: Record<string, string>) => CurlCall;
  /** Stands beside the button. */
  extra?: ComponentChildren;
  class?: string;
}

/** Return the texts of a form's fields by name. */
function valuesOf(form: HTMLFormElement): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of new FormData(form)) values[name] = String(value);
  return values;
}

/** A form that is sent once at a time. */
export function Form({ children, onSubmit, submit, submitKind = "primary", disabled, id, curl, extra, class: className = "" }: FormProps) {
  const [failure, setFailure] = useState<ApiFailure>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const running = useRef(false);

  async function send(event: Event): Promise<void> {
    event.preventDefault();
    if (running.current) return;
    const values = valuesOf(event.currentTarget as HTMLFormElement);
    running.current = true;
    setBusy(true);
    setFailure(undefined);
    try {
      await onSubmit(values);
    } catch (error) {
      const failed = asFailure(error);
      setFailure(failed);
      announce(failed.message);
    } finally {
      running.current = false;
      setBusy(false);
    }
  }

  const control = (name: string) => form.current?.elements.namedItem(name);
  // A field that holds a list has the messages of its entries.
  const fieldOf = (name: string) => (control(name) ? name : name.replace(/\[\d+\].*$/, ""));
  const fields = Object.fromEntries(Object.entries(failure?.fields ?? {}).map(([name, text]) => [fieldOf(name), text]));
  useEffect(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus(), [failure]);
  const shownAtFields = Object.keys(fields).every(control);
  return (
    <form class={`form ${className}`} id={id} ref={form} onSubmit={send} noValidate={false} aria-busy={busy}>
      <Errors.Provider value={fields}>{children}</Errors.Provider>
      {failure && !(Object.keys(fields).length && shownAtFields) && (
        <p class="form-error" role="alert">
          {failure.message}
          {failure.suggestion && <span class="quiet"> {failure.suggestion}</span>}
        </p>
      )}
      {(submit || extra) && (
        <div class="form-foot">
          {submit && (
            <Button type="submit" kind={submitKind} busy={busy} disabled={disabled}>
              {submit}
            </Button>
          )}
          {extra}
          {curl && submit && <CopyCurl call={() => curl(form.current ? valuesOf(form.current) : {})} />}
        </div>
      )}
    </form>
  );
}

export interface FieldProps {
  label: string;
  /** Explains the field, below it. */
  hint?: ComponentChildren;
  /** The message of a failure. By default that of the form for `name`. */
  error?: string;
  name?: string;
  optional?: boolean;
  /** Hides the label from view, not from screen readers. */
  bare?: boolean;
}

/** What a control needs of its field: its id, and its messages. */
export interface Control {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

/** A label, a control, a hint and an error that belong together. */
export function Field({ label, hint, error, name = "", optional, bare, children }: FieldProps & { children: (control: Control) => ComponentChildren }) {
  const id = useId();
  const problem = error ?? useContext(Errors)[name];
  const described = [problem && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id} class={bare ? "hidden" : ""}>
        {label}
        {optional && <span class="quiet"> {t("optional")}</span>}
      </label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": problem ? true : undefined })}
      {problem && (
        <p class="field-error" id={`${id}-error`}>
          {problem}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
