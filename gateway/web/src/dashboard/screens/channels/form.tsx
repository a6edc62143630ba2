/** The form of a configuration, made from its schema; and the same to read. */

import { useState } from "preact/hooks";
import { request } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { toast } from "../../core/live_region.ts";
import { t } from "../../core/text.ts";
import { Secret, Select, Textarea, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Properties } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import type { ProviderInfo } from "./providers.ts";
import { type ConfigField, configOf, textOf, valueAt } from "./schema.ts";

interface ConfigFormProps {
  projectId: string;
  provider: ProviderInfo;
  fields: readonly ConfigField[];
  saved: unknown;
  onSaved: () => void;
}

/** The form. A whole configuration can be pasted as JSON, such as the file of a service account. */
export function ConfigForm({ projectId, provider, fields, saved, onSaved }: ConfigFormProps) {
  const [mode, choose] = useState(provider.name === "fcm" && saved === undefined ? "json" : "form");

  function configIn(texts: Record<string, string>): unknown {
    try {
      return mode === "json" ? JSON.parse(texts.json ?? "") : configOf(fields, texts, saved);
    } catch (error) {
      const message = t("This is not valid JSON: {why}", { why: error instanceof Error ? error.message : "" });
      throw new ApiFailure({ message, fields: { json: message } });
    }
  }

  async function save(texts: Record<string, string>): Promise<void> {
    await request("PUT", `api/projects/${projectId}/v2/integrations/${provider.name}`, configIn(texts));
    toast(t("{name} is saved", { name: provider.title }), "ok");
    onSaved();
  }

  const tabs = [
    { id: "form", label: t("Form") },
    { id: "json", label: t("JSON") },
  ];
  const hint = provider.name === "fcm" ? t("The JSON file of a service account, which Google Cloud creates.") : t("The body of PUT /v2/integrations/{name}. ******** keeps a saved secret.", { name: provider.name });
  return (
    <section class="part">
      <Tabs segmented label={t("Configuration as")} tabs={tabs} value={mode} onChange={choose} />
      <Form key={mode} onSubmit={save} submit={t("Save")} curl={(texts) => ({ method: "PUT", path: `/v2/integrations/${provider.name}`, body: configIn(texts) })}>
        {mode === "json" ? (
          <Textarea name="json" label={t("Configuration")} initial={saved === undefined ? "" : JSON.stringify(saved, null, 2)} rows={12} hint={hint} mono />
        ) : (
          fields.map((field) => <ConfigControl key={field.name} field={field} saved={saved} />)
        )}
      </Form>
    </section>
  );
}

/** Return the name of a field as people read it: `from.email` is "From: email". */
export function labelOf(name: string): string {
  const text = name.replaceAll("_", " ").replace(".", ": ").replace(/\b(api|sid|uri|url|x509)\b/g, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function ConfigControl({ field, saved }: { field: ConfigField; saved: unknown }) {
  const { name, kind, required, options, schema } = field;
  const isSet = kind.startsWith("secret") && valueAt(saved, name) !== undefined && valueAt(saved, name) !== null;
  const hint = [field.hint, isSet && t("It is saved. Leave it empty to keep it.")].filter(Boolean).join(" ") || undefined;
  const common = { name, label: labelOf(name), initial: textOf(field, saved), optional: !required, ...(hint ? { hint } : {}) };
  if (kind === "choice") {
    const empty = required ? [] : [{ value: "", label: t("Default") }];
    return <Select {...common} options={[...empty, ...options.map((option) => ({ value: String(option), label: String(option) }))]} />;
  }
  if (kind === "secret") return <Secret {...common} isSet={isSet} required={required && !isSet} />;
  if (kind === "secret lines") return <Textarea {...common} rows={4} mono required={required && !isSet} placeholder={isSet ? "••••••••••••" : "-----BEGIN PRIVATE KEY-----"} />;
  if (kind === "lines" || kind === "json") return <Textarea {...common} rows={4} mono required={required} />;
  const limits = kind === "number" ? { type: "number" as const, ...(schema.minimum === undefined ? {} : { min: schema.minimum }), ...(schema.maximum === undefined ? {} : { max: schema.maximum }) } : {};
  return <TextInput {...common} {...limits} required={required} />;
}

/** The configuration for those who may not change it. */
export function ConfigList({ fields, saved }: { fields: readonly ConfigField[]; saved: unknown }) {
  const items = fields
    .filter(({ name }) => valueAt(saved, name) !== undefined && valueAt(saved, name) !== null)
    .map((field) => [labelOf(field.name), field.kind.startsWith("secret") ? t("saved") : <code key={field.name}>{textOf(field, saved)}</code>] as const);
  return <Properties items={items} />;
}
