/** The texts of all languages, and how they are chosen. SOURCES is the directory with the modules of src/bell. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const { SOURCES, MODULES } = process.env;
const { ENGLISH: OF_THE_BELL } = await import(`${MODULES}/english.mjs`);
const { PANEL_ENGLISH } = await import(`${MODULES}/panel_english.mjs`);
const { SETTINGS_ENGLISH } = await import(`${MODULES}/settings_english.mjs`);
const ENGLISH = { ...OF_THE_BELL, ...PANEL_ENGLISH, ...SETTINGS_ENGLISH };
const { english, Locale, localeFor } = await import(`${MODULES}/locale.mjs`);
english.learn(PANEL_ENGLISH);

const languages = readdirSync(`${SOURCES}/locales`).map((file) => file.split(".")[0]);
const formsOf = (text) => (typeof text === "string" ? { other: text } : text);
const placeholders = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

for (const language of ["en", ...languages]) {
  test(`${language} has every text, every plural form, and the same placeholders as English`, async () => {
    const messages = language === "en" ? ENGLISH : (await import(`${MODULES}/locales/${language}.mjs`)).default;
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    assert.deepEqual(Object.keys(messages).sort(), Object.keys(ENGLISH).sort());
    for (const [key, text] of Object.entries(messages)) {
      assert.equal(typeof text, typeof ENGLISH[key], key);
      if (typeof text !== "string") assert.deepEqual(Object.keys(text).sort(), [...pluralCategories].sort(), key);
      for (const form of Object.values(formsOf(text))) {
        assert.deepEqual(placeholders(form), placeholders(formsOf(ENGLISH[key]).other), key);
        assert.match(form, /^\S(.*\S)?$/s, key);
        assert.doesNotMatch(form, /<|'|\.\.\./, key);
      }
    }
  });
}

test("a text has its parameters, in the plural form and with the numbers of its language", () => {
  assert.equal(english.text("bell", { count: 1234 }), "Notifications, 1,234 unread");
  const german = new Locale("de", { queued: { one: "{count} Änderung", other: "{count} Änderungen" } });
  assert.equal(german.text("queued", { count: 1 }), "1 Änderung");
  assert.equal(german.text("queued", { count: 1234 }), "1.234 Änderungen");
});

test("a parameter is not read as a text with placeholders", () => {
  assert.equal(english.text("more", { title: "{count} $& {title}" }), "Actions for {count} $& {title}");
});

test("a page's own messages may be incomplete, lack plural forms, and be in any language", async () => {
  const own = { title: "Værelsesbeskeder", queued: { other: "{count} ændringer" } };
  const locale = await localeFor(["da"], "http://127.0.0.1:1", own);
  assert.deepEqual([locale.tag, locale.text("title")], ["da", "Værelsesbeskeder"]);
  assert.equal(locale.text("queued", { count: 1 }), "1 ændringer");
  assert.equal(locale.text("undo"), "Undo");
});

test("the first language that is named counts, and one without a translation is English in all respects", async () => {
  for (const wanted of [[], [null, ""], ["it"], ["it", "de"], ["not a tag"], ["en_!"]])
    assert.equal((await localeFor(wanted, "http://127.0.0.1:1")).tag, "en");
  assert.equal((await localeFor([null, "en_GB", "de"], "http://127.0.0.1:1")).tag, "en-GB");
});

test("a language whose file cannot be loaded is English", async () => {
  assert.equal(await localeFor(["de-AT"], "http://127.0.0.1:1"), english);
});

test("languages are written from right to left where they are", () => {
  const directions = ["ar-EG", "he", "fa", "ckb", "de", "es-419", "art"].map((tag) => new Locale(tag).direction);
  assert.deepEqual(directions, ["rtl", "rtl", "rtl", "rtl", "ltr", "ltr", "ltr"]);
});

test("no text is left over that no module shows", () => {
  const files = readdirSync(SOURCES).filter((file) => file.endsWith(".ts") && !file.endsWith("english.ts"));
  const sources = files.map((file) => readFileSync(`${SOURCES}/${file}`, "utf8")).join("\n");
  const channels = ["in_app", "mobile_push", "web_push", "email", "slack", "sms", "teams"]; // as the gateway names them
  const shown = (key) => channels.includes(key) || new RegExp(`\\b${key}\\b`).test(sources);
  assert.deepEqual(Object.keys(ENGLISH).filter((key) => !shown(key)), []);
});
