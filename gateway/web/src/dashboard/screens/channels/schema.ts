/** Forms from the OpenAPI document: the fields of a configuration, and the values that are sent. */

/** A schema as the document of this gateway has it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  enum?: (string | number | null)[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  format?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

export type FieldKind = "text" | "lines" | "secret" | "secret lines" | "number" | "choice" | "json";

export interface ConfigField {
  /** The path, such as `from.email`: the name in messages of the gateway. */
  name: string;
  kind: FieldKind;
  required: boolean;
  hint: string;
  options: (string | number)[];
  schema: Schema;
}

/** What stands for a saved secret, in responses and in requests that keep it. */
export const REDACTED = "********";

const KEEPS = /\s*`\*{8}` keeps the saved value\.?/;
const LONG = 1_500;

interface OpenApi {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>;
  components: { schemas: Record<string, Schema> };
}

/** Return the fields of the body of `PUT /v2/integrations/NAME`; of objects, the fields inside. */
export function fieldsOf(document: unknown, integration: string): ConfigField[] {
  const api = document as OpenApi;
  const resolve = (schema: Schema): Schema => (schema.$ref ? resolve(api.components.schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {}) : schema);
  const body = api.paths[`/v2/integrations/${integration}`]?.put?.requestBody?.content["application/json"]?.schema ?? {};

  function inside(schema: Schema, prefix: string, isRequired: boolean): ConfigField[] {
    const needed = schema.required ?? [];
    const names = Object.keys(schema.properties ?? {});
    const ordered = [...names.filter((name) => needed.includes(name)), ...names.filter((name) => !needed.includes(name))];
    return ordered.flatMap((name) => {
      const found = resolve(schema.properties?.[name] ?? {});
      const required = isRequired && needed.includes(name);
      if (found.properties) return inside(found, `${prefix}${name}.`, required);
      return [fieldOf(`${prefix}${name}`, found, required)];
    });
  }

  return inside(resolve(body), "", true);
}

function fieldOf(name: string, schema: Schema, required: boolean): ConfigField {
  const description = schema.description ?? "";
  const isSecret = KEEPS.test(description);
  const isLong = (schema.maxLength ?? 0) > LONG && schema.format !== "uri" && !/url|uri/.test(name);
  const options = (schema.enum ?? []).filter((option): option is string | number => option !== null);
  const kind: FieldKind = options.length
    ? "choice"
    : isSecret
      ? isLong ? "secret lines" : "secret"
      : has(schema, "integer") || has(schema, "number")
        ? "number"
        : has(schema, "string")
          ? isLong ? "lines" : "text"
          : "json";
  return { name, kind, required, hint: description.replace(KEEPS, "").replace(/\s*This is an extension of this gateway\./, "").replace(/[`*]/g, "").trim(), options: unique(options), schema };
}

function has(schema: Schema, type: string): boolean {
  return schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type));
}

/** Return options without those that have the same text: `"1"` and `1`. */
function unique(options: (string | number)[]): (string | number)[] {
  return options.filter((option, index) => options.findIndex((other) => String(other) === String(option)) === index);
}

/** Return the value at a path, undefined if there is none. */
export function valueAt(config: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined), config);
}

/** Return a value as the text of its field. A secret is never shown. */
export function textOf(field: ConfigField, config: unknown): string {
  const value = valueAt(config, field.name);
  if (value === undefined || value === null || field.kind.startsWith("secret")) return "";
  return field.kind === "json" ? JSON.stringify(value, null, 2) : String(value);
}

/** Return the configuration that a form has. Secrets that are not typed stay. Raises SyntaxError for JSON that is none. */
export function configOf(fields: readonly ConfigField[], texts: Readonly<Record<string, string>>, saved: unknown): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const field of fields) {
    const text = texts[field.name] ?? "";
    const isKept = field.kind.startsWith("secret") && text === "" && valueAt(saved, field.name) !== undefined && valueAt(saved, field.name) !== null;
    const value = isKept ? REDACTED : parsed(field, text);
    if (value !== undefined) put(config, field.name.split("."), value);
  }
  return config;
}

function parsed(field: ConfigField, text: string): unknown {
  if (text.trim() === "") return undefined;
  if (field.kind === "number") return Number(text);
  if (field.kind === "json") return JSON.parse(text);
  if (field.kind === "choice") return field.options.find((option) => String(option) === text) ?? text;
  return field.kind.endsWith("lines") ? `${text.trim()}\n` : text.trim();
}

function put(config: Record<string, unknown>, path: string[], value: unknown): void {
  const [name = "", ...rest] = path;
  if (!rest.length) config[name] = value;
  else put((config[name] ??= {}) as Record<string, unknown>, rest, value);
}
