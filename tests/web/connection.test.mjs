/** How a client connects: credentials, transports and tabs, against a gateway or a server of the test. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import test from "node:test";

import { InboxClient } from "../../gateway/web/dist/client.js";
import { Locks, replaced, server } from "./fakes.mjs";

const { GATEWAY_URL: gatewayUrl, API_KEY: apiKey, API_SECRET: apiSecret } = process.env;
const needsGateway = { skip: !gatewayUrl };

const named = { url: "https://inbox.example.com", apiKey: "k", userExternalId: "ada" };

test("a token whose claims are null is used as it is", () => {
  const client = new InboxClient({ url: named.url, token: `a.${btoa("null")}.c` });
  assert.equal(client.state.status, "ended");
});

for (const [options, problem] of [
  [{ url: named.url }, /name the user by token, by getToken, or by apiKey with userExternalId or userEmail/],
  [{ url: named.url, apiKey: "k", userHmac: "h" }, /name the user/],
  [{ url: named.url, userExternalId: "ada" }, /apiKey is missing/],
  [{ ...named, userExternalId: "" }, /userExternalId must be a text, and not empty/],
  [{ ...named, userExternalId: 7 }, /userExternalId must be a text/],
  [{ ...named, token: "t" }, /a token names the user: leave out userExternalId/],
  [{ url: named.url, getToken: "t" }, /getToken must be a function/],
  [{ ...named, url: "ftp://inbox.example.com" }, /url must be the gateway's, such as https:\/\/inbox.example.com, not ftp/],
  [{ ...named, url: undefined }, /url must be the gateway's/],
  [{ ...named, url: "https://me:hidden@inbox.example.com" }, /^url must have no password, query or fragment$/],
  [{ ...named, url: "https://inbox.example.com/?a=1" }, /^url must have no password, query or fragment$/],
  [{ ...named, transports: ["pigeon"] }, /transports may be websocket,sse,poll/],
]) {
  test(`options that cannot work throw an error with what to do: ${problem.source}`, () => {
    assert.throws(() => new InboxClient(options), { name: "TypeError", message: problem });
  });
}

// ---- tokens

function token(user, seconds, more = {}) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { api_key: apiKey, user_external_id: user, iat: now, exp: now + seconds, ...more };
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", apiSecret).update(text).digest("base64url")}`;
}

/** Return a client that is closed after the test, with the details of its states and errors. */
function connected(t, options) {
  const client = new InboxClient({ transports: ["sse"], ...options });
  const seen = { states: [], errors: [] };
  client.addEventListener("state", ({ detail }) => seen.states.push(detail));
  client.addEventListener("error", ({ detail }) => seen.errors.push(detail.error.message));
  t.after(() => client.close());
  client.connect();
  return { client, ...seen };
}

async function until(client, status) {
  while (client.state.status !== status) await once(client, "state");
}

test("a token is replaced before it ends, and no event is lost", needsGateway, async (t) => {
  let calls = 0;
  let called;
  const third = new Promise((resolve) => (called = resolve));
  const getToken = async () => {
    if (++calls === 3) called();
    return token("a user", 3);
  };
  const { client, states, errors } = connected(t, { url: gatewayUrl, getToken });
  await until(client, "live");
  await third;
  await client.readAll();
  await until(client, "live");
  assert.deepEqual(states.filter(({ code, httpStatus }) => code || httpStatus), []);
  assert.deepEqual(errors, []);
});

test("a refused token is replaced once, and then the client ends", needsGateway, async (t) => {
  let calls = 0;
  const getToken = () => token("a user", -60, { jti: String(calls++) });
  const { client } = connected(t, { url: gatewayUrl, getToken });
  await until(client, "ended");
  assert.deepEqual([client.state.httpStatus, client.state.closedByPage, calls], [401, false, 2]);
});

test("a request that is refused for its token is sent again with another one", needsGateway, async () => {
  const tokens = [token("a user", -60), token("a user", 60)];
  const client = new InboxClient({ url: gatewayUrl, getToken: () => tokens.shift() });
  const response = await client.request("GET", "/notifications");
  assert.equal(response.status, 200);
  assert.deepEqual(tokens, []);
});

test("a getToken that fails is reported, and called again", needsGateway, async (t) => {
  t.mock.method(Math, "random", () => 0); // no back-off
  const results = [() => Promise.reject(new Error("signed out")), () => null, () => "<h1>Sign in</h1>", () => `${token("a user", 60)}\n`];
  const { client, errors } = connected(t, { url: gatewayUrl, getToken: () => results.shift()() });
  await until(client, "live");
  assert.deepEqual(errors, ["signed out", "getToken must return a token as a text, not object", "getToken returned a text that is no token, such as an error page"]);
});

test("a clock that is wrong does not ask for tokens all the time", async (t) => {
  const { url } = await server(t, {});
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => btoa(JSON.stringify(value));
  for (const iat of [now - 7200, now + 7200]) {
    let calls = 0;
    const getToken = () => `h.${encode({ user_external_id: "ada", iat, exp: iat + 600, n: calls++ })}.s`;
    const timers = t.mock.method(globalThis, "setTimeout");
    const { client } = connected(t, { url, getToken });
    await until(client, "live");
    client.close();
    assert.equal(calls, 1);
    const delays = timers.mock.calls.map(({ arguments: [, ms] }) => ms);
    assert.ok(delays.some((ms) => ms > 480_000 && ms < 600_000), String(delays));
    timers.mock.restore();
  }
});

test("a user may have a name in any script", needsGateway, async (t) => {
  const user = "Zoë Łukasz 李";
  const hmac = createHmac("sha256", apiSecret).update(user).digest("base64");
  const { client } = connected(t, { url: gatewayUrl, apiKey, userExternalId: user, userHmac: hmac });
  await until(client, "live");
  await client.readAll();
});

// ---- transports

/** A WebSocket that no proxy lets through. */
class BlockedWebSocket {
  static CONNECTING = 0;
  static opened = 0;

  constructor() {
    BlockedWebSocket.opened += 1;
    setTimeout(() => this.onclose?.({ code: 1006, reason: "" }));
  }
  close() {}
}

test("where no WebSocket and no stream gets through, the client polls, and remembers it", async (t) => {
  replaced(t, "WebSocket", BlockedWebSocket);
  const stored = new Map();
  const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  replaced(t, "sessionStorage", storage);
  const { url, requests, send } = await server(t, { "/realtime/sse": (response) => response.end("") });
  const options = { ...named, url, transports: undefined };
  const { client, states } = connected(t, options);
  await until(client, "live");
  assert.equal(client.state.transport, "poll");
  assert.deepEqual(states.map(({ status }) => status), ["connecting", "live"]); // at once, without back-off
  for (const id of ["n2", "n3"]) {
    const arrived = once(client, "new");
    send();
    assert.equal((await arrived)[0].detail.id, id);
  }
  assert.equal(client.position, "e.3");
  assert.deepEqual([...stored], [[`inbox-transport ${url}`, "poll"]]);
  client.close();

  const later = connected(t, options);
  await until(later.client, "live");
  assert.equal(BlockedWebSocket.opened, 1);
  assert.equal(requests.filter((path) => path.startsWith("/realtime/sse")).length, 1);
});

test("while the gateway cannot be reached, every attempt begins with the first transport", async (t) => {
  t.mock.method(Math, "random", () => 0);
  replaced(t, "WebSocket", BlockedWebSocket);
  const opened = BlockedWebSocket.opened;
  const { client, states } = connected(t, { ...named, url: "http://127.0.0.1:1", transports: undefined });
  while (BlockedWebSocket.opened < opened + 3) await once(client, "state");
  assert.deepEqual(new Set(states.map(({ status }) => status)), new Set(["connecting", "reconnecting"]));
  assert.match(client.state.reason, /connection lost/);
});

// ---- tabs

test("tabs of one user share a connection, which is handed over, and a tab that lacks events gets them", async (t) => {
  replaced(t, "navigator", { locks: new Locks() });
  const { url, requests, send } = await server(t, {});
  const options = { ...named, url };
  const first = connected(t, options);
  await until(first.client, "live");
  for (let count = 0; count < 3; count++) {
    const arrived = once(first.client, "event");
    send();
    await arrived;
  }
  const second = connected(t, { ...options, since: "e.2" });
  const missed = [];
  second.client.addEventListener("new", ({ detail }) => missed.push(detail.id));
  await until(second.client, "live");
  assert.deepEqual([first.client.state.transport, second.client.state.transport], ["sse", "tab"]);
  while (second.client.position !== "e.4") await once(second.client, "event");
  assert.deepEqual(missed, ["n3", "n4"]);

  const third = connected(t, { ...options, since: "lost.1" });
  await once(third.client, "reset");
  assert.equal(third.client.position, "e.4");
  assert.equal(requests.length, 1);

  first.client.close();
  while (second.client.state.transport !== "sse") await once(second.client, "state");
  const arrived = [second, third].map(({ client }) => once(client, "new"));
  send();
  await Promise.all(arrived);
  assert.deepEqual(requests.slice(1), ["/realtime/sse?since=e.4"]);
  while (third.client.state.transport !== "tab") await once(third.client, "state");
});

test("where the browser forbids locks, each tab has a connection of its own", async (t) => {
  const request = () => Promise.reject(new DOMException("opaque origin", "SecurityError"));
  replaced(t, "navigator", { locks: { request } });
  const { url } = await server(t, {});
  const { client } = connected(t, { ...named, url });
  await until(client, "live");
  assert.equal(client.state.transport, "sse");
});
