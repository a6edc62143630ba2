/** Conditions on users as rows of a form, and as the text that the API reads. */

/** One comparison. `attribute` is a path such as `custom_attributes.plan`. */
export interface Clause {
  readonly attribute: string;
  readonly is: boolean;
  readonly value: string;
}

/** How the clauses are joined. */
export type Join = "and" | "or";

/** The attributes that every user may have. */
export const ATTRIBUTES = ["email", "external_id", "first_name", "last_name", "phone_numbers"] as const;

export const CUSTOM = "custom_attributes.";

const CONSTANT = /^(true|false|null|-?\d+(\.\d+)?)$/;

/** Return a value as conditions have it. Of the project's own attributes, numbers and constants are no texts. */
export function literal(value: string, isCustom: boolean): string {
  const trimmed = value.trim();
  if (trimmed === "null" || (isCustom && CONSTANT.test(trimmed))) return trimmed;
  return JSON.stringify(trimmed);
}

/** Return the condition that the rows of a form describe, "" if none is complete. */
export function conditionText(clauses: readonly Clause[], join: Join): string {
  return clauses
    .filter(({ attribute, value }) => attribute && attribute !== CUSTOM && value.trim())
    .map(({ attribute, is, value }) => `${attribute} ${is ? "=" : "!="} ${literal(value, attribute.startsWith(CUSTOM))}`)
    .join(` ${join} `);
}
