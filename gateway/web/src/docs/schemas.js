import { element, inline } from "./text.js";

const nameOf = (schema) => schema.$ref.split("/").at(-1);

const LIMITS = {
  minLength: "at least", maxLength: "at most", minItems: "at least", maxItems: "at most",
  minimum: "from", maximum: "to", default: "default", format: "", pattern: "form", "x-max-bytes": "bytes as JSON, at most",
};

export function typeOf(schema) {
  if (schema.$ref) return element("a", { href: `#schema-${nameOf(schema)}` }, nameOf(schema));
  if (schema.anyOf && !schema.properties) return element("span", {}, schema.anyOf.flatMap((one, at) => [at ? " or " : "", typeOf(one)]));
  if ("const" in schema || schema.enum) {
    const values = schema.enum ?? [schema.const];
    return element("span", {}, values.filter((value) => value !== null).flatMap((value, at) => [at ? ", " : "", element("code", {}, String(value))]));
  }
  const types = [schema.type ?? "anything"].flat();
  const words = types.map((type) => (type === "array" && schema.items ? "array of " : type));
  if (!types.includes("array") || !schema.items) return words.join(" or ");
  const rest = types.filter((type) => type !== "array");
  return element("span", {}, "array of ", typeOf(schema.items), rest.map((type) => ` or ${type}`));
}

export function limitsOf(schema) {
  const limits = Object.entries(LIMITS)
    .filter(([key]) => key in schema && !(key === "pattern" && schema.description))
    .map(([key, words]) => element("span", {}, `, ${words} `, element("code", {}, String(schema[key]))));
  return element("span", { class: "quiet" }, typeOf(schema), limits);
}

export function fields(schema) {
  const inner = schema.items && !schema.items.$ref ? schema.items : schema;
  const entries = Object.entries(inner.properties ?? {});
  if (!entries.length) return null;
  const required = inner.required ?? [];
  return element("ul", { class: "fields" }, entries.map(([name, field]) =>
    element("li", {},
      element("code", {}, name), " ", limitsOf(field),
      required.includes(name) ? element("span", { class: "must" }, " required") : null,
      field.description ? element("span", {}, " - ", inline(field.description)) : null,
      fields(field))));
}

export function schemaView(schema) {
  return [limitsOf(schema), fields(schema)];
}
