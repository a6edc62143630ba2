/** The client outside a browser, against the gateway whose address and keys are in the environment. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test from "node:test";

import { InboxClient, userHmac } from "../../gateway/web/dist/client.js";

const { GATEWAY_URL: url, API_KEY: apiKey, API_SECRET: apiSecret } = process.env;
const userExternalId = "a user of node";

async function send(title) {
  const response = await fetch(`${url}/notifications`, {
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

test("an inbox over SSE follows, resumes after a loss, and lets the process end", { skip: !url }, async () => {
  const hmac = await userHmac(apiSecret, userExternalId);
  const client = new InboxClient({ url, apiKey, userExternalId, userHmac: hmac, transports: ["sse"] });
  const inbox = client.inbox();
  const titles = () => inbox.state.notifications.map(({ title }) => title);
  const states = [];
  client.addEventListener("state", ({ detail }) => states.push(detail));

  await send("before");
  inbox.start();
  await until(inbox, () => !inbox.state.stale);
  assert.deepEqual(titles(), ["before"]);
  await send("live");
  await until(inbox, () => inbox.state.total === 2);

  client.drop({ retryAfterMs: 100 });
  await send("meanwhile");
  await until(inbox, () => inbox.state.total === 3);
  assert.deepEqual(titles(), ["meanwhile", "live", "before"]);
  assert.deepEqual(states.map(({ status }) => status), ["connecting", "live", "reconnecting", "live"]);
  assert.equal(states.at(-1).resumed, true);

  const response = await client.request("GET", "/notifications", { query: { per_page: 1, categories: ["a", "b"] } });
  assert.equal(response.headers.get("X-Inbox-Position"), client.position);
  await client.readAll();
  await until(inbox, () => inbox.state.unreadCount === 0);
  await assert.rejects(client.get("nothing"), ({ name, status, requestId }) => name === "InboxError" && status === 404 && !!requestId);
  client.close();
  assert.equal(client.state.status, "ended");
});

const COUNTS = { unread_count: 0, unseen_count: 0, unarchived: { unread_count: 0, unseen_count: 0 } };
const READY = { type: "ready", position: "e.1", heartbeat_seconds: 0.1, ...COUNTS };

/** Sends `ready` and nothing more, as a WebSocket does while a large event arrives on a slow network. */
class SilentWebSocket {
  static OPEN = 1;
  static opened = 0;
  readyState = SilentWebSocket.OPEN;

  constructor() {
    SilentWebSocket.opened += 1;
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(READY) }));
  }
  send() {}
  close() {}
}

test("after a silent WebSocket, the client opens one event stream, where each piece of an event shows that it is alive", async (t) => {
  t.mock.method(Math, "random", () => 0); // no back-off
  const before = globalThis.WebSocket;
  globalThis.WebSocket = SilentWebSocket;
  t.after(() => (globalThis.WebSocket = before));
  const event = `data: ${JSON.stringify({ type: "event", position: "e.2", name: "large", data: "x".repeat(1000), ...COUNTS })}\n\n`;
  const requested = [];
  const server = createServer(async (request, response) => {
    requested.push(request.url);
    response.write(`data: ${JSON.stringify(READY)}\n\n`);
    for (let start = 0; start < event.length; start += 100) {
      response.write(event.slice(start, start + 100)); // in all for several times the longest silence that is allowed
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());

  const client = new InboxClient({ url: `http://127.0.0.1:${server.address().port}`, apiKey: "k", userExternalId: "u" });
  client.connect();
  await once(client, "event");
  assert.equal(client.position, "e.2");
  assert.deepEqual(requested, ["/realtime/sse?since=e.1"]);
  assert.equal(SilentWebSocket.opened, 1);

  while (SilentWebSocket.opened === 1) await once(client, "state"); // the stream becomes silent too
  client.close();
});
