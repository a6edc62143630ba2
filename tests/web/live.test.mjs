/** The client outside a browser, against the gateway whose address and keys are in the environment. */

import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";

import { Inbox, InboxClient, userHmac } from "../../gateway/web/client.js";

const { GATEWAY_URL: baseUrl, API_KEY: apiKey, API_SECRET: apiSecret } = process.env;
const userExternalId = "a user of node";

async function send(title) {
  const response = await fetch(`${baseUrl}/notifications`, {
    method: "POST",
    headers: { "X-MAGICBELL-API-KEY": apiKey, "X-MAGICBELL-API-SECRET": apiSecret },
    body: JSON.stringify({ notification: { title, recipients: [{ external_id: userExternalId }] } }),
  });
  assert.equal(response.status, 201);
}

async function until(inbox, condition) {
  while (!condition()) await once(inbox, "change");
}

test("the HMAC is the one that MagicBell documents", async () => {
  assert.equal(await userHmac("SECRET", "joe@example.com"), "PbCcNyzZcGakM8Jjp+4YLhEkI5Q6sVNXEd3ZekeAb3o=");
});

test("an inbox over SSE follows, resumes after a loss, and lets the process end", { skip: !baseUrl }, async () => {
  const hmac = await userHmac(apiSecret, userExternalId);
  const client = new InboxClient({ baseUrl, apiKey, userExternalId, userHmac: hmac, transport: "sse" });
  const inbox = new Inbox(client);
  const titles = () => inbox.state.notifications.map(({ title }) => title);
  const states = [];
  client.addEventListener("state", ({ detail }) => states.push(detail));

  await send("before");
  inbox.start();
  await until(inbox, () => !inbox.stale);
  assert.deepEqual(titles(), ["before"]);
  await send("live");
  await until(inbox, () => inbox.state.total === 2);

  client.drop({ retryAfterMs: 100 });
  await send("meanwhile");
  await until(inbox, () => inbox.state.total === 3);
  assert.deepEqual(titles(), ["meanwhile", "live", "before"]);
  assert.deepEqual(states.map(({ state }) => state), ["connecting", "live", "waiting", "connecting", "live"]);
  assert.equal(states.at(-1).resumed, true);

  const { position } = await client.list();
  assert.equal(position, client.position);
  await client.readAll();
  await until(inbox, () => inbox.state.unreadCount === 0);
  await assert.rejects(client.get("nothing"), { name: "InboxError", status: 404 });
  inbox.stop();
  assert.equal(client.state, "closed");
});
