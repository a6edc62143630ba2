/**
 * Devices and tabs of one user behind a network that fails, against a real gateway with a short log.
 *
 * When the network is good again, every list and count equals a new request, and nothing is queued. CHAOS_SEED repeats
 * a run, and CHAOS_SECONDS makes it longer.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import test from "node:test";

import { InboxClient } from "../../gateway/web/dist/client.js";
import { Locks, replaced } from "./fakes.mjs";
import { seeded } from "./model.mjs";

const { GATEWAY_URL: url, GATEWAY_PID: pid, API_KEY: apiKey, API_SECRET: apiSecret } = process.env;
const SEED = Number(process.env.CHAOS_SEED ?? 7);
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 4);
const PATIENCE_MS = 60_000;

const FILTERS = [{}, { archived: false }, { archived: true }, { read: false, archived: false }, { categories: ["a"] }, { topics: ["x"], seen: true }];
const ACTIONS = ["read", "unread", "seen", "archive", "unarchive", "delete"];
const ALL = ["readAll", "seenAll", "archiveAll"];
const user = "a user in chaos";
const userHmac = createHmac("sha256", apiSecret).update(user).digest("base64");
const admin = { "X-MAGICBELL-API-KEY": apiKey, "X-MAGICBELL-API-SECRET": apiSecret };
const asUser = { "X-MAGICBELL-API-KEY": apiKey, "X-MAGICBELL-USER-EXTERNAL-ID": user, "X-MAGICBELL-USER-HMAC": userHmac };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function token(seconds) {
  const iat = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ api_key: apiKey, user_external_id: user, iat, exp: iat + seconds })}`;
  return `${text}.${createHmac("sha256", apiSecret).update(text).digest("base64url")}`;
}

/** Serve as a proxy to the gateway that does to a request what `fate` returns. */
async function network(t, dice) {
  const sockets = new Set();
  const proxy = { faulty: true, counts: {} };
  const fates = ["cut", "slow", "lost", "half", "busy", "page", "frozen", "late"];
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), "127.0.0.1");
    const end = () => (near.destroy(), far.destroy());
    let deaf = false; // whether responses do not arrive
    let delay = 0;
    sockets.add(near);
    for (const socket of [near, far]) socket.on("error", end).on("close", end).setNoDelay();
    near.on("close", () => sockets.delete(near));
    far.on("data", (data) => {
      if (deaf) return end();
      setTimeout(() => near.writable && near.write(data), delay);
    });
    far.on("end", () => near.end());
    near.on("end", () => far.end());
    near.on("data", (data) => {
      const fate = proxy.faulty && /^(GET|POST|DELETE) /.test(data.toString("latin1", 0, 7)) && dice.chance(0.35) && dice.pick(fates);
      proxy.counts[fate] = (proxy.counts[fate] ?? 0) + 1;
      if (fate === "cut") return end();
      if (fate === "busy" || fate === "page") {
        const status = fate === "busy" ? "429 Too Many Requests\r\nRetry-After: 0" : dice.pick(["403 Forbidden", "502 Bad Gateway", "404 Not Found"]);
        return near.end(`HTTP/1.1 ${status}\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage`);
      }
      if (fate === "lost") deaf = true;
      if (fate === "slow") delay = dice.pick([5, 30, 150]);
      if (fate === "late") setTimeout(end, dice.pick([10, 50, 400]));
      if (fate === "half") setTimeout(() => near.end(), 50);
      if (fate === "frozen") {
        near.pause();
        setTimeout(() => near.resume(), 400);
      }
      far.write(data);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.cutAll = () => sockets.forEach((socket) => socket.destroy());
  t.after(() => (server.close(), proxy.cutAll()));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}

const post = (path, headers, body, method = "POST") => fetch(url + path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);

/** Kill a worker of the gateway, which its supervisor starts again. */
function killWorker() {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const worker = children.find((child) => /gateway|multiprocessing/.test(readFileSync(`/proc/${child}/cmdline`, "utf8")));
  if (worker) process.kill(Number(worker), "SIGKILL");
}

/** Return what differs between the lists of a client and new requests, if nothing changes meanwhile. */
async function differences(client, inboxes) {
  const found = [];
  if (client.queued) found.push(["queued", client.queued]);
  if (client.state.status !== "live") found.push(["state", client.state]);
  for (const { filter, state } of inboxes) {
    const query = new URLSearchParams([["per_page", "100"], ...Object.entries(filter).flatMap(([name, value]) => [value].flat().map((each) => [Array.isArray(value) ? `${name}[]` : name, each]))]);
    const response = await fetch(`${url}/notifications?${query}`, { headers: asUser }).catch(() => null);
    if (!response?.ok) return [["unavailable"]];
    const { notifications, total, unread_count, unseen_count } = await response.json();
    const expected = { notifications: notifications.slice(0, Math.min(state.notifications.length, 100)), total, unreadCount: unread_count, unseenCount: unseen_count };
    const shown = { notifications: state.notifications.slice(0, 100), total: state.total, unreadCount: state.unreadCount, unseenCount: state.unseenCount };
    if (client.position !== response.headers.get("X-Inbox-Position")) found.push(["position", client.position, response.headers.get("X-Inbox-Position")]);
    if (state.stale || state.error || JSON.stringify(shown) !== JSON.stringify(expected)) found.push([filter, state.stale, state.error, shown, expected]);
    if (JSON.stringify(filter) === '{"archived":false}' && client.counts.unreadCount !== unread_count) found.push(["badge", client.counts, unread_count]);
  }
  return found;
}

test(`the lists and counts of all devices are exact after chaos (seed ${SEED})`, async (t) => {
  const dice = seeded(SEED);
  const proxy = await network(t, dice);
  replaced(t, "navigator", { locks: new Locks() });
  t.mock.method(console, "info", () => {});
  const random = Math.random;
  t.mock.method(Math, "random", () => random() / 10); // short back-offs
  const named = { url: proxy.url, apiKey, userExternalId: user, userHmac };
  const alone = { shareConnection: false };
  const options = [
    { ...named, ...alone, transports: ["websocket"] },
    { ...named, ...alone, transports: ["poll"] },
    { url: proxy.url, getToken: () => token(dice.pick([2, 60])), ...alone, transports: ["sse"] },
    ...[1, 2, 3].map(() => ({ ...named, transports: ["sse"] })), // tabs
  ];
  if (!globalThis.WebSocket) options.shift();
  const clients = options.map((each) => new InboxClient(each));
  t.after(() => clients.forEach((client) => client.close()));
  const inboxes = clients.map((client) => FILTERS.map((filter) => client.inbox({ filter, perPage: 10 })));
  inboxes.flat().forEach((inbox) => inbox.start());
  const refusals = [];
  const act = (client, action, target) => client[action](target).catch(({ status }) => status === 404 || refusals.push([action, status]));

  const until = Date.now() + SECONDS * 1000;
  for (let step = 0; Date.now() < until; step++) {
    const client = dice.pick(clients);
    const { id } = dice.pick(dice.pick(inboxes.flat()).state.notifications) ?? {};
    const roll = dice.random();
    if (roll < 0.3) await post("/notifications", admin, { notification: { title: `${step}`, recipients: [{ external_id: user }], category: dice.pick(["a", "b", undefined]), topic: dice.pick(["x", undefined]) } });
    else if (roll < 0.35) act(client, dice.pick(ALL), dice.pick(FILTERS));
    else if (roll < 0.4) dice.pick(inboxes.flat()).loadMore().catch(() => {});
    else if (roll < 0.45) client.drop({ retryAfterMs: dice.pick([0, 50, 300]) });
    else if (roll < 0.47) proxy.cutAll();
    else if (roll < 0.5) {
      client.close();
      setTimeout(() => client.connect(), dice.pick([0, 20, 500]));
    } else if (id && roll < 0.65) {
      const action = dice.pick(ACTIONS.slice(0, 4));
      await post(`/notifications/${id}/${action}`, asUser);
    } else if (id) act(client, dice.pick(ACTIONS), id);
    if (pid && step % 150 === 100) killWorker();
    await pause(dice.pick([0, 5, 20]));
  }

  proxy.faulty = false;
  proxy.cutAll();
  await pause(600); // the clients that were closed connect again
  const limit = Date.now() + PATIENCE_MS;
  for (const [index, client] of clients.entries()) {
    for (let found = [0]; found.length; ) {
      found = await differences(client, inboxes[index]);
      if (found.length && Date.now() > limit) assert.deepEqual(found, [], `client ${index} of ${JSON.stringify(options[index].transports)}`);
      if (found.length) await pause(50);
    }
  }
  assert.deepEqual(refusals, []);
  const tabs = clients.slice(-3);
  assert.deepEqual(tabs.map(({ state }) => state.transport).sort(), ["sse", "tab", "tab"]);
  t.diagnostic(JSON.stringify(proxy.counts));
});
