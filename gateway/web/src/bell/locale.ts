import { load } from "./assets.ts";
import { ENGLISH } from "./english.ts";
import type { PANEL_ENGLISH } from "./panel_english.ts";
import type { SETTINGS_ENGLISH } from "./settings_english.ts";

/** A text in the forms of a language's plural categories. */
export type Plural = { readonly other: string } & { readonly [category in Intl.LDMLPluralRule]?: string };

type English = typeof ENGLISH & typeof PANEL_ENGLISH & typeof SETTINGS_ENGLISH;

export type Key = keyof English;

/** All texts in one language. A page may bring some of them or all (`messages`). */
export type Messages = { readonly [key in Key]: English[key] extends string ? string : Plural };

const fallback: Partial<Messages> = { ...ENGLISH };

/** Languages with a file in locales/. */
const TRANSLATED = ["ar", "de", "es", "fr", "pt"];

const RIGHT_TO_LEFT = /^(ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/;

const PATIENCE_MS = 3000; // then the texts are English, rather than none

/** A language: its texts, and how it writes numbers. `tag` is also that of dates. */
export class Locale {
  readonly tag: string;
  readonly direction: "ltr" | "rtl";
  #messages: Partial<Messages>;
  #numbers: Intl.NumberFormat;
  #plurals: Intl.PluralRules;

  constructor(tag: string, messages: Partial<Messages> = {}) {
    this.tag = tag;
    this.direction = RIGHT_TO_LEFT.test(tag) ? "rtl" : "ltr";
    this.#messages = messages;
    this.#numbers = new Intl.NumberFormat(tag);
    this.#plurals = new Intl.PluralRules(tag);
  }

  /** Add English texts for what other languages lack: those of a module that was loaded later. */
  learn(english: Partial<Messages>): void {
    Object.assign(fallback, english);
  }

  /** Return a text. `count` chooses the plural form; numbers are written as the language writes them. */
  text(key: Key, params: Readonly<Record<string, string | number>> = {}): string {
    const found: string | Plural = this.#messages[key] ?? fallback[key] ?? key;
    const form = typeof found === "string" ? found : (found[this.#plurals.select(Number(params["count"]))] ?? found.other);
    return form.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
      const value = params[name] ?? placeholder;
      return typeof value === "number" ? this.#numbers.format(value) : value;
    });
  }
}

export const english = new Locale("en");

/**
 * Return the locale for the first tag that is not empty, with a page's own messages on top.
 *
 * `wanted` is in order of precedence: the attribute, the integration of the project, the language of the page, that of
 * the browser. Texts are English for a language without a translation, and if its file cannot be loaded.
 */
export async function localeFor(
  wanted: readonly (string | null | undefined)[],
  url: string,
  messages?: Partial<Messages>,
): Promise<Locale> {
  const tag = canonical(wanted.find(Boolean) ?? "en");
  const language = tag.split("-")[0]!;
  const translation = TRANSLATED.includes(language) ? await translated(language, url) : {};
  const own = { ...translation, ...messages };
  return language === "en" || Object.keys(own).length ? new Locale(tag, own) : english;
}

function canonical(tag: string): string {
  try {
    return Intl.getCanonicalLocales(tag.replaceAll("_", "-"))[0] ?? "en";
  } catch {
    return "en"; // not a language tag
  }
}

async function translated(language: string, url: string): Promise<Partial<Messages>> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS));
  const file = load<{ default: Messages }>(`locale-${language}.js`, url).catch(() => undefined);
  return (await Promise.race([file, late]))?.default ?? {};
}
