/** Drafts: the request that each of them is, what is missing, warnings, and keys of repeated requests. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionText } from "dashboard/screens/compose/condition.ts";
import { broadcastOf, EMPTY, problemsOf, recipientsOf } from "dashboard/screens/compose/draft.ts";
import { attemptFor } from "dashboard/screens/compose/draft_store.ts";
import { warningsOf } from "dashboard/screens/compose/warnings.ts";

const draft = (changes) => ({ ...EMPTY, title: "T", users: "ada", ...changes });

test("a list of users names each once, by email or external id", () => {
  assert.deepEqual(recipientsOf(draft({ users: "ada, bob@example.com\nada;\n 7 " })), [
    { external_id: "ada" },
    { email: "bob@example.com" },
    { external_id: "7" },
  ]);
});

test("a topic, a condition and everyone are one recipient each, and none until they are complete", () => {
  assert.deepEqual(recipientsOf(draft({ audience: "topic" })), []);
  assert.deepEqual(recipientsOf(draft({ audience: "topic", topic: "news" })), [{ topic: { subscribers: true } }]);
  assert.deepEqual(recipientsOf(draft({ audience: "everyone" })), [{ matches: "*" }]);
  assert.deepEqual(recipientsOf(draft({ audience: "condition" })), []);
  const clauses = [{ attribute: "custom_attributes.plan", is: true, value: "pro" }];
  assert.deepEqual(recipientsOf(draft({ audience: "condition", clauses })), [{ matches: 'custom_attributes.plan = "pro"' }]);
});

test("a condition quotes texts, and keeps the numbers of custom attributes", () => {
  const clauses = [
    { attribute: "email", is: false, value: 'a"b' },
    { attribute: "custom_attributes.age", is: true, value: "42" },
    { attribute: "custom_attributes.", is: true, value: "x" },
    { attribute: "external_id", is: true, value: "42" },
  ];
  assert.equal(conditionText(clauses, "or"), 'email != "a\\"b" or custom_attributes.age = 42 or external_id = "42"');
});

test("the request has what was written, and nothing that is empty", () => {
  const overrides = { sms: { title: "", content: "Short" }, email: { title: " " } };
  assert.deepEqual(broadcastOf(draft({ content: "C", attributes: '{"order": 42}', overrides })), {
    title: "T",
    content: "C",
    custom_attributes: { order: 42 },
    overrides: { channels: { sms: { content: "Short" } } },
    recipients: [{ external_id: "ada" }],
  });
});

test("problems name their fields", () => {
  assert.deepEqual(problemsOf(draft({})), {});
  assert.deepEqual(Object.keys(problemsOf(draft({ title: " ", users: " ", category: "a b", attributes: "[1]" }))), [
    "title",
    "category",
    "attributes",
    "users",
  ]);
  assert.ok(problemsOf(draft({ audience: "topic" })).topic);
  assert.ok(problemsOf(draft({ audience: "condition" })).condition);
  assert.ok(problemsOf(draft({ title: "a".repeat(256) })).title);
});

test("warnings say what is cut, unknown or not configured", () => {
  const channel = (name, more) => ({ channel: name, configured: true, cut: false, segments: null, faults: [], ...more });
  const inbox = channel("in_app");
  const texts = (changes, preview) => warningsOf(draft(changes), preview).map(({ text }) => text);
  assert.deepEqual(texts({}, undefined), []);
  assert.match(texts({ action_url: "shop://7" }, undefined)[0], /https, http or mailto/);
  assert.match(texts({}, { category_known: null, channels: [inbox] })[0], /reaches the inbox only/);
  const channels = [inbox, channel("sms", { cut: true, segments: 3 }), channel("slack", { configured: false, cut: true })];
  assert.deepEqual(texts({ category: "x", overrides: { slack: { title: "s" } } }, { category_known: false, channels }), [
    "The project has never sent the category “x”. No one has set preferences for it.",
    "SMS shortens the text.",
    "Each recipient gets 3 text messages by SMS.",
    "Slack has its own text, but is not configured.",
  ]);
});

test("the same request has the same key, and another one another", () => {
  const first = attemptFor(broadcastOf(draft({})), null);
  assert.equal(attemptFor(broadcastOf(draft({})), first), first);
  assert.notEqual(attemptFor(broadcastOf(draft({ title: "U" })), first).key, first.key);
});
