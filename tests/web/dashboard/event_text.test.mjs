/** Project events as rows of the live tail. */

import assert from "node:assert/strict";
import test from "node:test";
import { connectionEvent } from "dashboard/screens/live/connections.ts";
import { channelOf, idOf, sentenceOf, toneOf } from "dashboard/screens/live/event_text.ts";

const event = (type, context, level = "info") => ({ id: "1", timestamp: "", type, level, log: "Something happened.", context });
const ended = (state, context = {}) => event("delivery.ended", { state, channel: "email", provider: "smtp", ...context });

test("a delivery says how it ended", () => {
  const rows = [
    [ended("delivered"), "Delivered by SMTP", "ok"],
    [ended("skipped", { reason: "no_address" }), "Not sent: no address", "plain"],
    [ended("refused", { reason: "550" }), "Refused by SMTP: 550", "danger"],
    [ended("dead", { reason: "gone" }), "The destination no longer exists: gone", "danger"],
    [ended("failed", { reason: "timeout", attempts: 3 }), "Failed after 3 attempts: timeout", "danger"],
    [ended("failed", { reason: "timeout" }), "Failed after 1 attempt: timeout", "danger"],
    [ended("unknown", { provider: undefined }), "Email did not answer: it may have been sent", "warning"],
    [ended("new_state"), "new state", "plain"],
  ];
  for (const [row, sentence, tone] of rows) assert.deepEqual([sentenceOf(row), toneOf(row)], [sentence, tone]);
});

test("other events have their sentence, or that of their type with a detail", () => {
  const rows = [
    [event("notification.stored", {}), "Stored in the inbox"],
    [event("notification.stored", { count: 1200 }), "Stored in 1,200 inboxes"],
    [event("notification.accepted", { recipients: 2 }), "Accepted for 2 recipients"],
    [event("notification.suppressed", { rule: "delivery_config" }), "Not stored in the inbox: delivery config"],
    [event("broadcast.changed", { status: "processed", total: 7 }), "Broadcast to 7 users: processed"],
    [event("broadcast.changed", { status: "enqueued" }), "Broadcast: enqueued"],
    [event("import.done", { total: 1000 }), "Import of 1,000 users done, 0 failed"],
    [event("address.suppressed", { channel: "email", reason: "bounced" }), "Email to this address has ended: bounced"],
    [event("delivery.parked", { channel: "web_push", reason: "403" }, "warning"), "Web push is stopped: 403"],
    [event("project.changed", { fields: "name" }), "Something happened: name"],
    [event("user.created"), "Something happened"],
  ];
  for (const [row, sentence] of rows) assert.equal(sentenceOf(row), sentence);
  assert.equal(toneOf(rows[8][0]), "warning");
});

test("an event has the channel and the ids that it is about", () => {
  assert.equal(channelOf(ended("delivered")), "email");
  assert.equal(channelOf(event("notification.stored", {})), "in_app");
  assert.equal(channelOf(event("channel_token.registered", { kind: "mobile_push/apns" })), "mobile_push");
  assert.equal(channelOf(event("user.created")), "");
  assert.deepEqual([idOf(event("user.created", { user_id: "u" }), "user_id"), idOf(event("user.created"), "user_id")], ["u", ""]);
});

test("a connection is an event whose id sorts by time", () => {
  const record = { timestamp: "2026-11-30T12:00:00.000Z", type: "connection.opened", transport: "websocket", connection_id: "4f-1", user_id: "u", code: null, origin: "https://shop.example" };
  const opened = connectionEvent(record);
  assert.deepEqual([sentenceOf(opened), toneOf(opened), idOf(opened, "user_id")], ["Connected by WebSocket from https://shop.example", "ok", "u"]);
  const closed = connectionEvent({ ...record, type: "connection.closed", code: "client" });
  const ended = connectionEvent({ ...record, type: "connection.closed", code: "token_expired" });
  const refused = connectionEvent({ ...record, timestamp: "2026-11-30T12:00:00.001Z", type: "connection.refused", code: "user_hmac_is_incorrect", user_id: null });
  assert.deepEqual([closed, ended].map(sentenceOf), ["Closed by the page", "Closed by the gateway: token expired"]);
  assert.deepEqual([sentenceOf(refused), toneOf(refused)], ["Refused from https://shop.example: user hmac is incorrect", "warning"]);
  const ids = [opened, closed, ended, refused].map(({ id }) => id);
  assert.deepEqual([...ids].sort(), ids);
});
