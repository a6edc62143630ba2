/**
 * Texts that people read. The English text is the key of its translation.
 *
 * A translation is a record of texts, such as `{ "Sign in": "Anmelden" }`, that is passed to `setTexts`.
 */

export type TextParams = Record<string, string | number>;

let texts: Readonly<Record<string, string>> = {};
let language = "en";

/** Use a translation from now on. */
export function setTexts(tag: string, translation: Readonly<Record<string, string>>): void {
  texts = translation;
  language = tag;
}

/** Return the language of the texts, such as "en". */
export function textLanguage(): string {
  return language;
}

/** Return a text in the reader's language. `{name}` in it becomes the parameter of this name. */
export function t(english: string, params?: TextParams): string {
  const text = texts[english] ?? english;
  return params ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole)) : text;
}

/** Return the text for a number of things: `plural(2, "{n} user", "{n} users")`. `{n}` is the number with separators. */
export function plural(count: number, one: string, other: string, params?: TextParams): string {
  const n = new Intl.NumberFormat(language).format(count);
  return t(count === 1 ? one : other, { n, ...params });
}
