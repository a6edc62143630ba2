/** Forms of configurations: made from the OpenAPI document, without ever showing or losing a secret. */

import assert from "node:assert/strict";
import test from "node:test";
import { configOf, fieldsOf, textOf } from "dashboard/screens/channels/schema.ts";
import { stateOf } from "dashboard/screens/channels/state.ts";

const SECRET = { type: "string", description: "The key. `********` keeps the saved value." };
const DOCUMENT = {
  paths: { "/v2/integrations/smtp": { put: { requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Smtp" } } } } } } },
  components: {
    schemas: {
      Sender: { type: "object", properties: { email: { type: "string" }, name: { type: ["string", "null"] } }, required: ["email"] },
      Smtp: {
        type: "object",
        required: ["host", "key", "from"],
        properties: {
          version: { enum: ["1", "2", 1, 2, null] },
          host: { type: "string", description: "The `host`." },
          port: { type: "integer" },
          key: SECRET,
          pem: { ...SECRET, type: ["string", "null"], maxLength: 8192 },
          from: { $ref: "#/components/schemas/Sender" },
          rules: { type: ["array", "null"] },
        },
      },
    },
  },
};

const fields = fieldsOf(DOCUMENT, "smtp");

test("fields have their kinds, the required ones first, and objects their inner fields", () => {
  assert.deepEqual(fields.map(({ name, kind, required }) => `${name} ${kind} ${required}`), [
    ...["host text true", "key secret true", "from.email text true", "from.name text false"],
    ...["version choice false", "port number false", "pem secret lines false", "rules json false"],
  ]);
  assert.deepEqual([fields[0].hint, fields[1].hint, fields[4].options], ["The host.", "The key.", ["1", "2"]]);
  assert.deepEqual(fieldsOf(DOCUMENT, "unknown"), []);
});

test("a secret is never shown, and stays unless it is typed", () => {
  const saved = { host: "a", key: "********", from: { email: "x@y.z" }, port: 25 };
  assert.equal(textOf(fields[1], saved), "");
  assert.equal(textOf(fields[2], saved), "x@y.z");
  const texts = { host: " b ", "from.email": "x@y.z", "from.name": "", port: "587", version: "2", rules: "[1]" };
  assert.deepEqual(configOf(fields, texts, saved), { host: "b", key: "********", from: { email: "x@y.z" }, port: 587, version: "2", rules: [1] });
  assert.equal(configOf(fields, { ...texts, key: "new", pem: "-----BEGIN\n" }, saved).key, "new");
  assert.deepEqual(configOf(fields, { host: "b" }, undefined), { host: "b" });
  assert.throws(() => configOf(fields, { rules: "[" }, saved), SyntaxError);
});

test("the lane of a provider decides its state, once it is configured", () => {
  const provider = { name: "twilio", lane: "sms" };
  const facts = (lane, ...saved) => ({ saved: saved.map((name) => ({ name, id: "1", config: {} })), lanes: [{ lane: "sms", state: lane }], failures: [{ provider: "twilio" }] });
  const kind = (...from) => stateOf(provider, facts(...from)).kind;
  assert.deepEqual([kind("parked"), kind("parked", "twilio"), kind("failing", "twilio"), kind("running", "twilio")], ["unused", "stopped", "failing", "works"]);
  assert.equal(stateOf({ ...provider, ready: true }, facts("running")).kind, "works");
  assert.equal(stateOf(provider, facts("running", "twilio")).lastFailure.provider, "twilio");
});
