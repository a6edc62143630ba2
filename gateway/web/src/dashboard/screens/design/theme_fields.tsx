/** The controls of a theme. A field that is empty leaves the look of the bell as it is. */

import { t } from "../../core/text.ts";
import { IconButton } from "../../kit/button.tsx";
import { Select, TextInput } from "../../kit/fields.tsx";
import { Card } from "../../kit/page.tsx";
import { readColor } from "./read_color.ts";
import { GROUPS, type ThemeField, type Values } from "./theme_form.ts";

const FONTS = [
  ["system-ui, sans-serif", "System"],
  ["Georgia, serif", "Serif"],
  ["ui-monospace, monospace", "Monospace"],
] as const;

export interface ThemeFieldsProps {
  values: Values;
  set: (path: string, value: string) => void;
  disabled: boolean;
}

export function ThemeFields({ values, set, disabled }: ThemeFieldsProps) {
  return (
    <>
      {GROUPS.map(({ title, fields }) => (
        <Card key={title} title={title}>
          <div class="theme-fields">
            {fields.map((field) => (
              <Control key={field.path} field={field} value={values[field.path] ?? ""} onValue={(value) => set(field.path, value)} disabled={disabled} />
            ))}
          </div>
        </Card>
      ))}
    </>
  );
}

interface ControlProps {
  field: ThemeField;
  value: string;
  onValue: (value: string) => void;
  disabled: boolean;
}

function Control({ field, value, onValue, disabled }: ControlProps) {
  const label = field.label;
  if (field.kind === "font") {
    const known = ["", ...FONTS.map(([family]) => family)].includes(value);
    const options = [
      { value: "", label: field.placeholder ?? "" },
      ...FONTS.map(([family, name]) => ({ value: family, label: name })),
      ...(known ? [] : [{ value, label: value }]),
    ];
    return <Select label={label} value={value} onValue={onValue} options={options} disabled={disabled} />;
  }
  if (field.kind === "length") {
    const wrong = value && !/^\d+(\.\d+)?(px|rem|em)$/.test(value.trim());
    return (
      <TextInput
        label={label}
        value={value}
        onValue={onValue}
        placeholder={field.placeholder}
        disabled={disabled}
        mono
        error={wrong ? t("A length such as 14px") : undefined}
      />
    );
  }
  return <ColorControl label={label} value={value} onValue={onValue} disabled={disabled} />;
}

function ColorControl({ label, value, onValue, disabled }: Omit<ControlProps, "field"> & { label: string }) {
  const read = value ? readColor(value) : undefined;
  const wrong = value !== "" && value !== "inherit" && read === undefined;
  return (
    <div class="color">
      <TextInput
        label={label}
        value={value}
        onValue={onValue}
        placeholder={t("Default of the bell")}
        disabled={disabled}
        mono
        error={wrong ? t("Not a colour") : undefined}
      />
      <input
        type="color"
        class={value ? "swatch" : "swatch unset"}
        aria-label={t("{label}: choose", { label })}
        value={read && /^#[0-9a-f]{6}$/.test(read) ? read : "#808080"}
        disabled={disabled}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {value && !disabled && <IconButton icon="close" size="small" label={t("{label}: as the bell has it", { label })} onClick={() => onValue("")} />}
    </div>
  );
}
