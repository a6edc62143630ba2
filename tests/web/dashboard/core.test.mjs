/** The core of the dashboard: addresses, commands, failures, texts and formats. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import { curl, quoted } from "dashboard/core/curl.ts";
import { failureOf } from "dashboard/core/failure.ts";
import { ago, bytes, duration, number, toDate } from "dashboard/core/format.ts";
import { cursorPage } from "dashboard/core/query.ts";
import { projectIn } from "dashboard/core/router.ts";
import { allows } from "dashboard/core/session.ts";
import { createStore } from "dashboard/core/store.ts";
import { plural, setTexts, t } from "dashboard/core/text.ts";
import { changedQuery } from "dashboard/core/url_state.ts";

/** Returns the arguments that a shell reads in a command, with what it puts in place of the variables. */
const argumentsOf = (command) => {
  const environment = { PATH: process.env.PATH, INBOX: "http://gateway", API_KEY: "key", API_SECRET: "secret", INBOX_ADMIN_TOKEN: "token" };
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}`;
  return execFileSync("sh", ["-c", script], { env: environment, encoding: "utf8" }).split("\0").slice(0, -1);
};

test("a command for a project's operation has its key and secret, and is read by a shell as it was meant", () => {
  const body = { title: "It's $5 `now`", text: 'a "b" \\ c' };
  const found = argumentsOf(curl({ method: "POST", path: "/v2/users/a$b", query: { name: "x y", none: "" }, body, user: "o'ada" }));
  assert.deepEqual(found.slice(0, 3), ["-X", "POST", "http://gateway/v2/users/a$b?name=x+y"]);
  const headers = ["X-MAGICBELL-API-KEY: key", "X-MAGICBELL-API-SECRET: secret", "X-MAGICBELL-USER-EXTERNAL-ID: o'ada", "Content-Type: application/json"];
  assert.deepEqual(found.filter((_, index) => found[index - 1] === "-H"), headers);
  assert.deepEqual(JSON.parse(found.at(-1)), body);
});

test("a command for an operation of the instance has the token of an admin", () => {
  assert.deepEqual(argumentsOf(curl({ path: "/admin/api/me" })), ["http://gateway/admin/api/me", "-H", "Authorization: Bearer token"]);
  assert.equal(quoted("a'b"), `'a'\\''b'`);
});

test("a failure has the messages of the fields that it names, and the id of the request", async () => {
  const errors = [{ message: "Param 'name' must be at most 3 characters", suggestion: "Shorten it." }, { message: "Param 'user.email' is missing" }];
  const headers = { "x-request-id": "r1", "retry-after": "7" };
  const failure = await failureOf(new Response(JSON.stringify({ errors }), { status: 422, headers }));
  assert.deepEqual(failure.fields, { name: "Must be at most 3 characters", "user.email": "Is missing" });
  assert.deepEqual([failure.status, failure.requestId, failure.retryAfterSeconds, failure.suggestion], [422, "r1", 7, "Shorten it."]);
});

test("a response of something else than the gateway is a failure as well", async () => {
  const failure = await failureOf(new Response("<h1>Bad gateway</h1>", { status: 502 }));
  assert.deepEqual([failure.message, failure.retryAfterSeconds], ["The gateway responded with 502", null]);
});

test("a filter that is emptied leaves the address, and others stay", () => {
  const query = new URLSearchParams("query=ada&status=failed");
  assert.equal(changedQuery(query, { query: "", id: "5" }).toString(), "status=failed&id=5");
  assert.equal(query.toString(), "query=ada&status=failed");
});

test("the cursor of the next page is that of the link", () => {
  const links = { first: "http://g/v2/users", prev: null, next: "http://g/v2/users?page%5Bsize%5D=2&page%5Bafter%5D=u2.17" };
  assert.deepEqual(cursorPage({ data: [1, 2], links }), { items: [1, 2], next: "u2.17" });
  assert.equal(cursorPage({ data: [], links: { ...links, next: null } }).next, null);
});

test("a role may do what the ones before it may", () => {
  assert.ok(allows("owner", "admin") && allows("editor", "editor") && !allows("viewer", "editor"));
});

test("the project is the one in the address", () => {
  assert.deepEqual(["projects/12/users", "projects/12", "settings/projects", "projects/x"].map(projectIn), ["12", "12", null, null]);
});

test("listeners of a store hear changes until they end", () => {
  const store = createStore(1);
  const heard = [];
  const end = store.subscribe(() => heard.push(store.get()));
  for (const value of [1, 2, 2, 3]) store.set(value);
  end();
  store.set(4);
  assert.deepEqual(heard, [2, 3]);
});

test("figures, sizes, durations and times are as people read them", () => {
  assert.deepEqual([number(1234567), bytes(999), bytes(1234567), bytes(0)], ["1,234,567", "999 B", "1.2 MB", "0 B"]);
  assert.deepEqual([40, 2500, 180_000, 7_500_000, 400_000_000].map(duration), ["40 ms", "2.5 s", "3 min", "2 h 5 min", "4 d"]);
  const now = Date.parse("2026-05-01T12:00:00Z");
  assert.deepEqual([now - 2000, now - 30_000, now - 180_000, now + 7_200_000].map((time) => ago(time, now)), ["now", "30 sec. ago", "3 min. ago", "in 2 hr."]);
  assert.equal(ago("2026-04-01T12:00:00Z", now), "Apr 1, 2026");
  assert.equal(toDate(now / 1000).getTime(), now);
});

test("a translation replaces texts, and keeps what stands in for a parameter", () => {
  assert.equal(plural(1, "{n} user", "{n} users"), "1 user");
  assert.equal(plural(1200, "{n} user", "{n} users"), "1,200 users");
  setTexts("de", { "Hello {name}": "Hallo {name}", "{n} users": "{n} Nutzer" });
  assert.equal(t("Hello {name}", { name: "Ada" }), "Hallo Ada");
  assert.equal(plural(1200, "{n} user", "{n} users"), "1.200 Nutzer");
  assert.equal(t("Not translated {x}"), "Not translated {x}");
});
