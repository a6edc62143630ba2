/** Filtered inboxes of two clients against the gateway whose address and keys are in the environment. */

import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";

import { InboxClient, userHmac } from "../../gateway/web/dist/client.js";
import { seeded } from "./model.mjs";

const { GATEWAY_URL: url, API_KEY: apiKey, API_SECRET: apiSecret } = process.env;

const FILTERS = [
  {},
  { archived: false },
  { archived: true },
  { archived: false, read: false },
  { seen: true },
  { categories: ["a", "uncategorized"], archived: false },
  { topics: ["x"], read: true },
];
const ACTIONS = ["read", "unread", "seen", "archive", "unarchive", "delete"];
const ALL = ["readAll", "seenAll", "archiveAll"];

async function open(userExternalId, options = {}) {
  return new InboxClient({ url, apiKey, userExternalId, userHmac: await userHmac(apiSecret, userExternalId), ...options });
}

async function send(userExternalId, fields) {
  const response = await fetch(`${url}/notifications`, {
    method: "POST",
    headers: { "X-MAGICBELL-API-KEY": apiKey, "X-MAGICBELL-API-SECRET": apiSecret },
    body: JSON.stringify({ notification: { title: "t", recipients: [{ external_id: userExternalId }], ...fields } }),
  });
  assert.equal(response.status, 201);
}

/** Wait until an inbox equals a new fetch with its filter, and neither changes any more. */
async function assertExact(client, inbox) {
  for (let attempt = 0; ; attempt++) {
    const { state, filter } = inbox;
    const response = await client.request("GET", "/notifications", { query: { ...filter, per_page: 100 } });
    const { notifications, total, unread_count, unseen_count } = await response.json();
    const expected = { notifications: notifications.slice(0, state.notifications.length), total, unreadCount: unread_count, unseenCount: unseen_count };
    const isQuiet = inbox.state === state && client.position === response.headers.get("X-Inbox-Position") && !state.stale && !state.loading;
    if (isQuiet || attempt > 100) {
      const { hasMore, loading, error, stale, ...shown } = state;
      assert.deepEqual(shown, expected);
      assert.equal(hasMore, total > state.notifications.length);
      assert.ok(state.notifications.length >= Math.min(total, 5));
      return;
    }
    await Promise.race([once(inbox, "change"), new Promise((resolve) => setTimeout(resolve, 50))]);
  }
}

test("inboxes with different filters equal new fetches after random actions of two clients", { skip: !url, timeout: 60_000 }, async () => {
  const dice = seeded(5);
  const user = "a user with filters";
  const clients = await Promise.all([1, 2].map(() => open(user, { transports: ["sse"] }))); // Node 20 has no WebSocket
  const inboxes = clients.map((client) => FILTERS.map((filter) => client.inbox({ filter, perPage: 10 })));
  await Promise.all(Array.from({ length: 15 }, (_, number) => send(user, { title: `${number}`, category: dice.pick(["a", "b", undefined]) })));
  for (const inbox of inboxes.flat()) inbox.start();
  for (let step = 0; step < 120; step++) {
    const client = dice.pick(clients);
    const { id } = dice.pick(dice.pick(inboxes.flat()).state.notifications) ?? { id: "00000000-0000-4000-8000-000000000000" };
    if (dice.chance(0.25)) await send(user, { category: dice.pick(["a", "b", undefined]), topic: dice.pick(["x", "y", undefined]) });
    else if (dice.chance(0.1)) client[dice.pick(ALL)](dice.pick(FILTERS));
    else if (dice.chance(0.1)) dice.pick(inboxes.flat()).loadMore();
    else if (dice.chance(0.05)) client.drop({ retryAfterMs: 20 });
    else {
      const done = client[dice.pick(ACTIONS)](id).catch(({ status }) => assert.equal(status, 404));
      if (dice.chance(0.5)) await done;
    }
  }
  for (const client of clients) while (client.pending.length) await Promise.race([once(client, "event"), once(client, "queue")]);
  for (const [index, client] of clients.entries()) {
    for (const inbox of inboxes[index]) await assertExact(client, inbox);
    client.close();
  }
});

test("preferences, topics and tokens are those of the gateway", { skip: !url }, async () => {
  const client = await open("a user with preferences");
  await send("a user with preferences", { category: "orders" });
  await client.setPreference("orders", "email", false);
  const orders = (await client.preferences()).find(({ slug }) => slug === "orders");
  assert.deepEqual([orders.name, orders.channels.find(({ slug }) => slug === "email").enabled], ["Orders", false]);

  await client.subscribe("acme");
  await client.unsubscribe("acme", ["news"]);
  const [topic] = await client.topics();
  assert.deepEqual([topic.topic, topic.categories.map(({ slug, status }) => [slug, status])], ["acme", [["*", "subscribed"], ["news", "unsubscribed"]]]);

  const { id } = await client.addToken("mobile_push/expo", { device_token: "ExponentPushToken[abcdefghijklmnopqrstuv]" });
  await client.removeToken("mobile_push/expo", id);
  await assert.rejects(client.removeToken("mobile_push/expo", "none"), ({ name, status, message }) => name === "InboxError" && status === 404 && !!message);
});

test("a gateway that cannot be reached is an error without a status, which names the address", async () => {
  const client = new InboxClient({ url: "http://127.0.0.1:1", apiKey: "k", userExternalId: "u", userHmac: "h" });
  await assert.rejects(client.get("x"), ({ name, status, message }) => name === "InboxError" && status === 0 && message.includes("127.0.0.1:1"));
});
