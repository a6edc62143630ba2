/** Countdowns, pasted keys, and the code that signs a user. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { countdown } from "dashboard/screens/keys/countdown.ts";
import { newKey } from "dashboard/screens/keys/new_key.ts";
import { bellMarkup, LANGUAGES, signingCode } from "dashboard/screens/keys/signing.ts";

test("a countdown has days only while there are some", () => {
  assert.equal(countdown(3 * 3600 + 4 * 60 + 5), "03:04:05");
  assert.equal(countdown(2 * 86_400 + 1), "2 d 00:00:01");
});

test("a key is a JWK, the first one of a set, or PEM, with the id that was typed", () => {
  assert.deepEqual(newKey('{"kty": "EC", "kid": "a"}', " b "), { kty: "EC", kid: "b" });
  assert.deepEqual(newKey('{"keys": [{"kty": "RSA"}]}', ""), { kty: "RSA" });
  assert.deepEqual(newKey("-----BEGIN PUBLIC KEY-----\nA\n", ""), { pem: "-----BEGIN PUBLIC KEY-----\nA" });
  for (const text of ["", "x", "[]", '{"x": 1}']) assert.throws(() => newKey(text, ""));
});

test("the code of Node signs as the gateway verifies, and all languages name the user", () => {
  process.env.API_SECRET = "secret";
  const code = signingCode("Node", 'a"d\\a').replace(/import .+\n/, "");
  const signed = new Function("createHmac", `${code}\nreturn userHmac;`)(createHmac);
  assert.equal(signed, createHmac("sha256", "secret").update('a"d\\a').digest("base64"));
  for (const language of LANGUAGES) assert.match(signingCode(language, "Ada@Example.com"), /ada@example\.com/);
  assert.match(signingCode("Ruby", "it's"), /'it\\'s'/);
});

test("the markup escapes the user", () => {
  assert.match(bellMarkup("https://x", "key", 'a"&b'), /user-external-id="a&quot;&amp;b"/);
  assert.match(bellMarkup("https://x", "key", "a@b.c"), /user-email="a@b\.c"/);
});
