/** The checklist of the overview: its steps, its snippets, and its reasons. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import test from "node:test";
import { guesses, seenReasons } from "dashboard/screens/overview/reasons.ts";
import { bellSnippets, firstNotification, sendCommand, signCommand } from "dashboard/screens/overview/snippets.ts";
import { isComplete, stepsOf } from "dashboard/screens/overview/steps.ts";

const AT = "2026-11-30T07:00:00Z";
const NAMES = ["request", "notification", "connection", "seen"];
const milestones = (reached) => NAMES.map((name) => ({ name, reached_at: reached.includes(name) ? AT : null, hints: [] }));
const states = (...reached) => stepsOf(milestones(reached)).map(({ state }) => state);

test("the first step that did not happen is the current one", () => {
  assert.deepEqual(states(), ["current", "later", "later"]);
  assert.deepEqual(states("request"), ["current", "later", "later"]);
  assert.deepEqual(states("notification"), ["done", "current", "later"]);
  assert.deepEqual(states("connection"), ["current", "done", "later"]);
  assert.deepEqual(states("notification", "connection"), ["done", "done", "current"]);
  assert.deepEqual(states("seen"), ["done", "done", "done"]);
  assert.equal(isComplete(milestones(["notification", "connection"])), false);
  assert.equal(isComplete(milestones(["seen"])), true);
});

const PLACE = { gateway: "https://inbox.example.com/live", apiKey: "pk_1", user: "o'hara", signed: true };

test("the command sends the notification that the button sends", () => {
  const shell = (script) => execFileSync("sh", ["-c", script], { env: { ...process.env, API_SECRET: "s3" } }).toString();
  const words = shell(`curl() { printf '%s\\n' "$@"; }\n${sendCommand(PLACE)}`).trim().split("\n");
  assert.equal(words[1], "https://inbox.example.com/live/notifications");
  assert.ok(words.includes("X-MAGICBELL-API-KEY: pk_1") && words.includes("X-MAGICBELL-API-SECRET: s3"));
  assert.deepEqual(JSON.parse(words.at(-1)), firstNotification("o'hara"));
  assert.equal(shell(signCommand("o'hara")).trim(), createHmac("sha256", "s3").update("o'hara").digest("base64"));
});

test("the snippets have the real address and key, and a signature only where one is needed", () => {
  for (const { name, code } of bellSnippets(PLACE)) {
    assert.ok(code.includes(PLACE.gateway) && code.includes("pk_1"), name);
    assert.match(code, /hmac/i, name);
  }
  for (const { name, code } of bellSnippets({ ...PLACE, signed: false })) assert.doesNotMatch(code, /hmac/i, name);
});

const hint = (code, times, others = {}) => ({ code, text: "The error", remedy: "The remedy", times, origin: null, users: [], ...others });

test("what the gateway refused is told with its remedy, page and number", () => {
  const [origin, hmac, other, absent] = seenReasons([
    hint("origin_not_allowed", 3, { origin: "https://shop.example" }),
    hint("user_hmac_is_incorrect", 1, { origin: "https://shop.example" }),
    hint("some_other", 2),
    hint("recipients_never_connected", 1, { users: [{ id: "1", external_id: "ada", email: null }] }),
  ]);
  assert.deepEqual(origin, {
    seen: true,
    prompt: true,
    text: "The project does not allow pages of https://shop.example. Seen 3 times in the last few minutes.",
    remedy: "Add this origin under Keys.",
  });
  assert.equal(hmac.text, "The signature is wrong. Page: https://shop.example. Seen once in the last few minutes.");
  assert.deepEqual([other.text, other.remedy], ["The error. Seen 2 times in the last few minutes.", "The remedy"]);
  assert.deepEqual([absent.text, absent.prompt], ["The error. Users: ada.", false]);
});

test("the guesses fit the address of the gateway", () => {
  const texts = (gateway, signed) => guesses({ gateway, signed }).map(({ text }) => text).join("\n");
  assert.match(texts("http://inbox.example.com", true), /https and the gateway http[\s\S]*\$API_SECRET/);
  assert.match(texts("http://127.0.0.1:8000", true), /another machine/);
  assert.doesNotMatch(texts("https://inbox.example.com", false), /another machine|gateway http|API_SECRET/);
});
