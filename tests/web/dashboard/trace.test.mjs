/** How the dashboard arranges a trace: stages, channels, and what may be tried again. */

import assert from "node:assert/strict";
import test from "node:test";
import { isId, userName } from "dashboard/screens/deliveries/lookup.ts";
import { channels, clauses, isPending, mayRetry, outcomeOf, stages } from "dashboard/screens/deliveries/trace.ts";

const AT = "2026-11-30T06:00:00Z";

function step(type, fields = {}) {
  return { at: AT, type, text: `${type}.`, channel: null, provider: null, state: null, code: null, attempts: null, next_at: null, ...fields };
}

function states(...steps) {
  return stages({ verdict: "", steps }).map(({ name, state }) => `${name} ${state}`);
}

test("a notification that was read has passed all stages", () => {
  assert.deepEqual(states(step("accepted"), step("stored"), step("seen"), step("read")), [
    ...["accepted done", "matched done", "rules done", "stored done", "pushed done", "seen done", "read done"],
  ]);
  assert.equal(outcomeOf({ steps: [step("stored")] }), "ok");
});

test("an item that waits in the inbox is not seen yet, and that it was pushed is not recorded", () => {
  assert.deepEqual(states(step("accepted"), step("config", { at: null }), step("stored")).slice(3), [
    ...["stored done", "pushed unknown", "seen waiting", "read waiting"],
  ]);
});

test("a preference stops it before the inbox", () => {
  const found = states(step("accepted"), step("preference", { at: null }), step("suppressed", { channel: "in_app" }));
  assert.deepEqual(found.slice(1), ["matched done", "rules stopped", "stored missed", "pushed missed", "seen missed", "read missed"]);
  assert.equal(outcomeOf({ steps: [step("suppressed")] }), "warning");
  assert.equal(outcomeOf({ steps: [step("suppressed"), step("delivery", { state: "delivered" })] }), "warning");
});

test("a broadcast that is done has not matched whom it did not come to, and one that runs may still do", () => {
  assert.equal(states(step("accepted"), step("broadcast", { state: "processed" }))[1], "matched stopped");
  assert.equal(states(step("accepted"), step("broadcast", { state: "processing" }))[1], "matched waiting");
  assert.equal(states(step("accepted"), step("broadcast", { state: "processing" }), step("matched"))[1], "matched done");
});

test("of a deleted item it is not known whether it was seen", () => {
  assert.deepEqual(states(step("stored"), step("deleted")).slice(5), ["seen unknown", "read unknown"]);
  assert.equal(outcomeOf({ steps: [step("stored"), step("deleted")] }), "warning");
});

test("channels have their attempts, and those left out are last", () => {
  const failed = step("delivery", { channel: "email", state: "failed" });
  const steps = [step("left_out", { channel: "sms" }), step("stored", { channel: "in_app" }), step("attempt", { channel: "email", state: "failed" }), failed];
  const [mail, sms] = channels({ verdict: "", steps });
  assert.deepEqual([mail.channel, mail.attempts.length, mail.deliveries.length, mail.isLeftOut], ["email", 1, 1, false]);
  assert.deepEqual([sms.channel, sms.notes.length, sms.isLeftOut], ["sms", 1, true]);
  assert.deepEqual([mayRetry(mail), mayRetry(sms)], [true, false]);
  assert.equal(mayRetry(channels({ steps: [step("delivery", { channel: "email", state: "delivered" })] })[0]), false);
  assert.equal(mayRetry(channels({ steps: [step("delivery", { channel: "webhook", state: "failed" })] })[0]), false);
  assert.equal(outcomeOf({ steps }), "danger");
  assert.deepEqual([isPending({ steps }), isPending({ steps: [step("delivery", { state: "retry" })] })], [false, true]);
});

test("a verdict has a part for the inbox, and one for each channel", () => {
  assert.deepEqual(clauses("Ada has it; no mail was sent because it was read."), ["Ada has it.", ["No mail was sent because it was read."]]);
  assert.deepEqual(clauses("Ada has it."), ["Ada has it.", []]);
});

test("users are named in the way that people write them", () => {
  const id = "0198C2F1-0000-7000-8000-000000000000";
  assert.deepEqual([userName(` ${id} `), userName("ada"), userName("ada@example.com")], [id.toLowerCase(), "external_id:ada", "email:ada@example.com"]);
  assert.deepEqual([userName("email:x@y"), userName("external_id:a@b"), userName(" ")], ["email:x@y", "external_id:a@b", ""]);
  assert.deepEqual([isId(id), isId("ada")], [true, false]);
});
