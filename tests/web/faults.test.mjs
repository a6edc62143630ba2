/** What the client does when a proxy, a clock, a token or another tab is not as it should be. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { InboxClient } from "../../gateway/web/dist/client.js";
import { COUNTS, event, Locks, replaced, server } from "./fakes.mjs";

const DIST = new URL("../../gateway/web/dist/client.js", import.meta.url);
const user = { apiKey: "k", userExternalId: "ada", userHmac: "h", transports: ["sse"] };
const counts = (unread) => ({ unread_count: unread, unseen_count: unread, unarchived: { unread_count: unread, unseen_count: unread } });
const write = (response, message) => response.write(`data: ${JSON.stringify(message)}\n\n`);
const ready = (position, more = COUNTS) => ({ type: "ready", position, heartbeat_seconds: 25, ...more });
const PAGE = { notifications: [], total: 0, unread_count: 0, unseen_count: 0 };

/** Respond as the gateway refuses a request. */
function refuse(response, status, headers = {}) {
  response.writeHead(status, headers).end(JSON.stringify({ errors: [{ code: "refused", message: "refused by the gateway" }] }));
}

function opened(t, options) {
  t.mock.method(Math, "random", () => 0); // no back-off
  const client = new InboxClient(options);
  t.after(() => client.close());
  client.connect();
  return client;
}

async function until(target, types, condition) {
  while (!condition()) await Promise.race(types.split(" ").map((type) => once(target, type)));
}

const untilLive = (client) => until(client, "state", () => client.state.status === "live");

/** Return the first results, and then the last one for ever. */
const inTurn = (...handlers) => (...request) => (handlers.length > 1 ? handlers.shift() : handlers[0])(...request);

test("a proxy's page of 403 is not a refusal by the gateway", async (t) => {
  const open = (response) => write(response, ready("e.1"));
  const page = (response) => response.writeHead(403, { "Content-Type": "text/html" }).end("<h1>Forbidden</h1>");
  const { url } = await server(t, {
    "/realtime/sse": inTurn(page, open),
    "/notifications/n1/archive": inTurn(page, (response) => response.end()),
    "/notifications/n1": inTurn((response) => response.writeHead(404).end("<h1>Not Found</h1>"), (response) => response.end()),
  });
  const client = opened(t, { url, ...user });
  await untilLive(client);
  await client.archive("n1");
  await client.delete("n1");
});

const claims = (seconds) => {
  const iat = Math.floor(Date.now() / 1000);
  return `h.${Buffer.from(JSON.stringify({ user_external_id: "ada", iat, exp: iat + seconds })).toString("base64url")}.s`;
};

test("the access of a tab ends with its token, though the token of the leading tab is good", async (t) => {
  replaced(t, "navigator", { locks: new Locks() });
  const { url } = await server(t, {});
  const leading = opened(t, { url, token: claims(600), transports: ["sse"] });
  await untilLive(leading);
  const following = opened(t, { url, token: claims(2), transports: ["sse"] });
  await untilLive(following);
  assert.equal(following.state.transport, "tab");
  await until(following, "state", () => following.state.status === "ended");
  assert.deepEqual([following.state.code, following.state.closedByPage, leading.state.status], [4504, false, "live"]);
});

test("the counts of an open stream are exact after a reset, and do not run ahead of the events", async (t) => {
  const streams = [];
  const { url } = await server(t, { "/realtime/sse": (response) => streams.push(response) && write(response, ready("e.1", counts(streams.length))) });
  const client = opened(t, { url, ...user });
  await untilLive(client);
  assert.equal(client.counts.unreadCount, 1);
  client.drop();
  await once(client, "ready"); // from e.1, with the counts after an event that has not arrived
  assert.equal(client.counts.unreadCount, 1);
  write(streams[1], { ...event(2), ...counts(2) });
  await once(client, "event");
  assert.equal(client.counts.unreadCount, 2);
  write(streams[1], { type: "reset", position: "f.9", reason: "epoch_changed", ...counts(7) });
  await once(client, "reset");
  assert.equal(client.counts.unreadCount, 7);
});

test("a response that was cut is requested again, and a reset ends a wait for older notifications", async (t) => {
  let stream;
  const cut = (response) => response.writeHead(200, { "Content-Length": 1000 }).write("{", () => response.destroy());
  const item = { id: "n1", sent_at: 1, seen_at: null, read_at: null, archived_at: null };
  const page = (at) => (response) => response.setHeader("X-Inbox-Position", at).end(JSON.stringify({ ...PAGE, notifications: [item], total: 2 }));
  const { url, requests } = await server(t, {
    "/realtime/sse": (response) => write((stream = response), ready("e.1")),
    "/notifications": inTurn(cut, page("e.1"), page("e.5")),
  });
  const client = opened(t, { url, ...user });
  const inbox = client.inbox({ perPage: 1 });
  inbox.start();
  await until(inbox, "change", () => inbox.state.notifications.length === 1);
  const more = inbox.loadMore(); // its response is of e.5, and the stream will not get there
  const asked = requests.length;
  while (requests.length === asked) await new Promise(setImmediate);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  write(stream, { type: "reset", position: "f.1", reason: "epoch_changed", ...COUNTS });
  await more;
});

test("an action waits while getToken fails, and while another token is on its way", async (t) => {
  const { url } = await server(t, {
    "/notifications/n1/read": (response, since, wait, { headers }) =>
      headers.authorization === "Bearer good" ? response.end() : refuse(response, 401),
  });
  const tokens = [() => "old", () => Promise.reject(new Error("no network")), () => "good"];
  const client = opened(t, { url, getToken: () => tokens.shift()(), transports: ["sse"] });
  await untilLive(client);
  await client.read("n1");
  assert.equal(client.queued, 0);
});

test("a token that is replaced while the connection opens or ends is used", async (t) => {
  const used = [];
  let client;
  const { url } = await server(t, {
    "/realtime/sse"(response, since, wait, { headers }) {
      used.push(headers.authorization);
      if (used.length === 1) client.renew("second");
      if (used.length < 3) return used.length === 1 ? refuse(response, 401) : (client.renew("third"), write(response, ready("e.1")));
      write(response, ready("e.1"));
    },
  });
  client = opened(t, { url, token: "first", transports: ["sse"] });
  await until(client, "state", () => used.length === 3 && client.state.status === "live");
  assert.deepEqual(used, ["Bearer first", "Bearer second", "Bearer third"]);
});

test("a closed client leaves nothing that keeps a process alive, or sends requests", async (t) => {
  const posts = [];
  const busy = (response) => refuse(response, 503, { "Retry-After": "600" });
  const { url } = await server(t, { "/notifications": busy, "/notifications/n1/read": (response) => busy(response, posts.push(1)) });
  const script = `
    import { InboxClient } from ${JSON.stringify(DIST.href)};
    import { once } from "node:events";
    const client = new InboxClient({ url: ${JSON.stringify(url)}, ...${JSON.stringify(user)} });
    const inbox = client.inbox();
    inbox.start();
    while (!inbox.state.error) await once(inbox, "change");
    client.read("n1");
    while (client.pending[0].stage !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    client.close();
    console.log(client.queued, client.state.status);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [[printed], [code]] = await Promise.all([once(child.stdout, "data"), once(child, "exit")]);
  assert.deepEqual([String(printed), code, posts.length], ["1 ended\n", 0, 1]);
});

test("tabs with another version of the client have a connection of their own", async (t) => {
  replaced(t, "navigator", { locks: new Locks() });
  const { url } = await server(t, {});
  const built = await readFile(DIST, "utf8");
  const [version] = /\b\d+\.\d+\.\d+\b/.exec(built);
  const later = await import(`data:text/javascript,${encodeURIComponent(built.replaceAll(version, "99.0.0"))}`);
  const clients = [opened(t, { url, ...user }), new later.InboxClient({ url, ...user })];
  clients[1].connect();
  t.after(() => clients[1].close());
  await Promise.all(clients.map(untilLive));
  assert.deepEqual(clients.map(({ state }) => state.transport), ["sse", "sse"]);
});

test("a tab keeps few large events for others, which fetch the inbox instead", async (t) => {
  replaced(t, "navigator", { locks: new Locks() });
  const { url } = await server(t, {
    "/realtime/sse"(response) {
      write(response, ready("e.1"));
      for (const offset of [2, 3, 4]) write(response, { ...event(offset), data: { notification: { id: "n", content: "x".repeat(400_000) } } });
    },
  });
  const leading = opened(t, { url, ...user });
  await until(leading, "event", () => leading.position === "e.4");
  const near = opened(t, { url, ...user, since: "e.2" });
  await until(near, "event", () => near.position === "e.4");
  const far = opened(t, { url, ...user, since: "e.1" });
  await once(far, "reset");
  assert.equal(far.position, "e.4");
});

test("a silent connection is found although the clock was set back", async (t) => {
  const { url } = await server(t, { "/realtime/sse": (response) => write(response, { ...ready("e.1"), heartbeat_seconds: 0.1 }) });
  const client = opened(t, { url, ...user });
  await untilLive(client);
  const { now } = Date;
  t.mock.method(Date, "now", () => now() - 3_600_000);
  await until(client, "state", () => client.state.status === "reconnecting");
});

test("an action whose response was lost with the connection is not sent again if its event is missed", async (t) => {
  const streams = [];
  let posts = 0;
  let client;
  const { url } = await server(t, {
    "/realtime/sse"(response) {
      streams.push(response);
      write(response, ready("e.1"));
      const data = { id: "n1", client_id: client.clientId, notification: { id: "n1" } };
      if (posts) setImmediate(() => write(response, { ...event(2), name: "notifications/read", data }));
    },
    "/notifications/n1/read"(response) {
      if (posts++) return response.end();
      response.destroy();
      streams[0].destroy();
    },
  });
  client = new InboxClient({ url, ...user });
  t.after(() => client.close());
  client.connect();
  await untilLive(client);
  await client.read("n1");
  assert.deepEqual([posts, client.queued], [1, 0]);
});

test("an action whose response was lost is not sent again once its event arrived", async (t) => {
  let stream;
  let posts = 0;
  let client;
  const { url } = await server(t, {
    "/realtime/sse": (response) => write((stream = response), ready("e.1")),
    "/notifications/n1/read"(response) {
      posts += 1;
      write(stream, { ...event(2), name: "notifications/read", data: { id: "n1", client_id: client.clientId, notification: { id: "n1" } } });
      client.addEventListener("event", () => response.destroy(), { once: true });
    },
  });
  client = opened(t, { url, ...user });
  await untilLive(client);
  await client.read("n1");
  assert.deepEqual([posts, client.queued], [1, 0]);
});
