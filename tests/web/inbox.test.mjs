/** Inboxes and actions against a model of the server: random histories, and every order of arrival. */

import assert from "node:assert/strict";
import test from "node:test";

import { applyEvent, InboxError } from "../../gateway/web/dist/client.js";
import { Client, listOf, seeded, Server } from "./model.mjs";

const FILTERS = [
  {},
  { archived: false },
  { archived: true },
  { read: false, archived: false },
  { seen: false },
  { read: true },
  { archived: false, categories: ["a"] },
  { categories: ["uncategorized", "b"], read: false },
  { topics: ["x"] },
];

function* histories(count) {
  for (let seed = 0; seed < count; seed++) yield new Server(seeded(seed)).steps(seed % 30);
}

function snapshotOf(server, filter, perPage = Infinity) {
  const { notifications, total, unread_count, unseen_count } = structuredClone(listOf(server.items, { ...filter, per_page: perPage }));
  return { position: server.position, notifications, total, unreadCount: unread_count, unseenCount: unseen_count, unknown: 0 };
}

/** Assert that a snapshot equals a new fetch as far as it reaches. */
function assertExact({ notifications, total, unreadCount, unseenCount }, server, filter) {
  const expected = listOf(server.items, filter);
  assert.deepEqual(notifications, expected.notifications.slice(0, notifications.length));
  assert.deepEqual([total, unreadCount, unseenCount], [expected.total, expected.unread_count, expected.unseen_count]);
}

/** Apply the events that random steps cause, and assert after each that what is not unknown is exact. */
function follow(server, filter, perPage, steps, keep = Infinity) {
  let snapshot = snapshotOf(server, filter, perPage);
  for (let step = 0; step < steps; step++) {
    const handled = server.log.length;
    server.steps(1);
    snapshot = server.log.slice(handled).reduce((state, event) => applyEvent(state, event, filter), snapshot);
    if (snapshot.notifications.length > keep) snapshot = { ...snapshot, notifications: snapshot.notifications.slice(0, keep) };
    if (snapshot.unknown === 2) return snapshot; // the list is fetched again
    if (snapshot.unknown) snapshot = { ...snapshotOf(server, filter), notifications: snapshot.notifications };
    assertExact(snapshot, server, filter);
  }
  return snapshot;
}

test("the events after a fetch, applied to its response, give a new fetch with the same filter", () => {
  for (const server of histories(150)) {
    for (const filter of FILTERS) follow(server, filter, server.dice.pick([Infinity, 8, 3]), 15);
  }
});

test("new items displace the oldest, on the first page or below it", () => {
  for (const server of histories(150)) {
    server.keep = server.dice.pick([1, 4, 8, 12]);
    for (const filter of FILTERS) follow(server, filter, 8, 15, server.dice.pick([8, Infinity]));
  }
});

test("the events of a whole inbox decide everything", () => {
  for (const server of histories(200)) assert.equal(follow(server, {}, 8, 30).unknown, 0);
});

test("an event that is included already, or belongs to another log, changes nothing", () => {
  for (const server of histories(100)) {
    const fetched = snapshotOf(server, {});
    for (const event of server.log) assert.equal(applyEvent(fetched, event), fetched);
    server.loseData();
    server.steps(50);
    for (const event of server.log) assert.equal(applyEvent(fetched, event), fetched);
  }
});

test("an event of a newer server, whose effect is not known, makes the list be fetched", () => {
  for (const name of ["notifications/pin", "notifications/pin/all"]) {
    const server = new Server(seeded(1)).steps(20);
    const fetched = snapshotOf(server, {});
    server.steps(1, ["new"]);
    const event = { ...server.log.at(-1), name };
    assert.deepEqual(applyEvent(fetched, event), { ...fetched, ...applyEvent(fetched, server.log.at(-1)), notifications: fetched.notifications, total: fetched.total, unknown: 2 });
    const update = { ...event, name: "notification_preferences/update", data: {} };
    assert.equal(applyEvent(fetched, update).unknown, 0);
  }
});

test("an action without an id is an error, and not one on everything", () => {
  const client = new Client(new Server(seeded(1)));
  const misuses = [() => client.read(), () => client.delete(7), () => client.archive({ id: "x" }), () => client.readAll({ status: "unread" })];
  for (const misuse of [...misuses, () => client.prepare("delete"), () => client.inbox({ filter: { status: "unread" } })]) {
    assert.throws(misuse, { name: "TypeError", message: "Expected an id, or a filter by read, seen, archived, categories, topics" });
  }
  assert.deepEqual([client.requests, client.pending], [[], []]);
});

const ACTIONS = ["read", "unread", "seen", "archive", "unarchive", "delete"];
const ALL = ["readAll", "seenAll", "archiveAll"];

/** Let everything arrive until nothing is due, and return the number of responses. */
async function quiesce(client, inboxes, t) {
  let rounds = 0;
  if (client.log !== client.server.log) client.reset();
  while (!client.isQuiet || client.pending.length || inboxes.some(({ state }) => state.stale || state.error || state.loading)) {
    if (++rounds >= 500) assert.fail(JSON.stringify([client.state, client.requests, client.pending, inboxes.map(({ state }) => ({ ...state, notifications: 0 }))]));
    for (const inbox of inboxes) if (inbox.state.error) inbox.retry();
    client.next();
    client.respond();
    await client.arrive();
    t.mock.timers.tick(60_000);
  }
  return rounds;
}

function assertAllExact(client, inboxes) {
  const { unread_count, unseen_count } = client.server.counts().unarchived;
  assert.deepEqual(client.counts, { unreadCount: unread_count, unseenCount: unseen_count });
  for (const { filter, state } of inboxes) {
    assertExact(state, client.server, filter);
    assert.equal(state.hasMore, state.total > state.notifications.length);
    assert.ok(state.notifications.length >= Math.min(5, state.total));
  }
}

test("inboxes side by side equal new fetches in the end, whatever is done, refused, lost or late", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const server of histories(120)) {
    const { chance, pick } = server.dice;
    server.isSilent = chance(0.1);
    const client = new Client(server);
    const inboxes = FILTERS.filter(() => chance(0.4)).map((filter) => client.inbox({ filter, perPage: 10, keep: 25 }));
    const act = () => (chance(0.8) ? client[pick(ACTIONS)](pick(server.items)?.id ?? "none") : client[pick(ALL)](pick(FILTERS)));
    const reply = () => (chance(0.1) ? { status: pick([422, 429, 503, 500]) } : chance(0.1) ? { isLost: true } : {});
    let prepared = null;
    const steps = [
      ...Array(7).fill(() => server.steps(1)),
      ...Array(8).fill(() => client.next()),
      ...Array(6).fill(() => client.respond(reply())),
      ...Array(6).fill(() => client.arrive()),
      ...Array(4).fill(() => void act().catch(() => {})),
      () => client.become(pick(["offline", "reconnecting"])),
      () => client.state.status === "live" || client.ready(),
      () => client.reset(),
      () => chance(0.2) && server.loseData(),
      () => void pick(inboxes)?.loadMore().catch(() => {}),
      () => t.mock.timers.tick(1000),
      () => (prepared ??= client.prepare(pick(["delete", "archive"]), pick(server.items)?.id ?? "none")),
      () => {
        if (prepared) pick([() => prepared.undo(), () => void prepared.commit().catch(() => {})])();
        prepared = null;
      },
    ];
    for (const inbox of inboxes) inbox.start();
    client.ready();
    for (let count = 0; count < 120; count++) await pick(steps)();
    prepared?.undo();
    if (client.state.status !== "live") client.ready();
    await quiesce(client, inboxes, t);
    assertAllExact(client, inboxes);
    for (const inbox of inboxes) inbox.stop();
  }
});

/** Return a client with loaded inboxes of a server that had so many steps. */
async function loaded(t, seed, steps, ...options) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new Server(seeded(seed)).steps(...[steps].flat(1));
  const client = new Client(server);
  const inboxes = options.map((option) => client.inbox(option));
  for (const inbox of inboxes) inbox.start();
  client.ready();
  await quiesce(client, inboxes, t);
  return { server, client, inboxes };
}

test("an action shows at once, and a refusal restores exactly what events made of it meanwhile", async (t) => {
  const { server, client, inboxes } = await loaded(t, 1, 60, { filter: { archived: false } }, { filter: { archived: true } });
  const [open, archived] = inboxes;
  const before = [open.state, archived.state];
  const [first] = open.state.notifications;
  const errors = [];
  client.addEventListener("error", ({ detail }) => errors.push(detail));
  const done = client.archive(first.id);
  assert.ok(!open.state.notifications.some(({ id }) => id === first.id));
  assert.ok(archived.state.notifications.some(({ id }) => id === first.id));
  assert.deepEqual([open.state.total, archived.state.total], [before[0].total - 1, before[1].total + 1]);
  client.respond({ status: 422 });
  await client.arrive();
  await assert.rejects(done, { status: 422 });
  assert.deepEqual([open.state, archived.state], before);
  assert.deepEqual(errors.map(({ error, action, ids }) => [error.status, action, ids]), [[422, "archive", [first.id]]]);

  client.archive(first.id).catch(() => {});
  server.delete(server.items.find(({ id }) => id === first.id));
  client.next();
  client.respond();
  await client.arrive();
  await quiesce(client, inboxes, t);
  assert.equal(errors.at(-1).error.status, 404);
  assertAllExact(client, inboxes);
});

test("an action is shown until its event arrives, and no longer", async (t) => {
  const { client, inboxes } = await loaded(t, 2, 60, {});
  const [inbox] = inboxes;
  const { id } = inbox.state.notifications.find((item) => item.read_at === null);
  const isRead = () => inbox.state.notifications.find((item) => item.id === id).read_at !== null;
  const seen = [];
  inbox.addEventListener("change", () => seen.push(isRead()));
  await Promise.all([client.read(id), client.respond(), client.arrive()]);
  client.next();
  assert.equal(client.pending.length, 0);
  assert.ok(seen.length >= 1 && seen.every(Boolean));
  client.server.handle("POST", `/notifications/${id}/unread`, {}, "another");
  client.next();
  assert.equal(isRead(), false);
});

test("an action that changes nothing on the server is shown no longer than its response takes", async (t) => {
  const { client, inboxes } = await loaded(t, 2, 60, {});
  const { id } = inboxes[0].state.notifications.find((item) => item.archived_at === null);
  client.server.handle("POST", `/notifications/${id}/archive`, {}, "another");
  client.archive(id);
  client.respond();
  await client.arrive();
  assert.equal(client.pending.length, 1); // the other client's event is on its way
  client.next();
  assert.equal(client.pending.length, 0);
});

test("while offline, actions are shown, counted, and sent once and in order afterwards", async (t) => {
  const { client, inboxes } = await loaded(t, 3, 60, { filter: { archived: false } });
  const [inbox] = inboxes;
  const counts = [];
  client.addEventListener("queue", ({ detail }) => counts.push(detail));
  client.become("offline");
  const [first, second] = inbox.state.notifications;
  const done = [client.archive(first.id), client.delete(second.id), client.readAll({ archived: false })];
  assert.deepEqual([client.requests.length, inbox.state.unreadCount, client.counts.unreadCount, client.queued], [0, 0, 0, 3]);
  client.become("reconnecting");
  client.ready();
  const sent = [];
  while (client.requests.length) {
    sent.push(client.requests.map(({ method, path }) => `${method} ${path}`));
    client.respond();
    await client.arrive();
  }
  await Promise.all(done);
  const path = (item) => `/notifications/${encodeURIComponent(item.id)}`;
  assert.deepEqual(sent, [[`POST ${path(first)}/archive`], [`DELETE ${path(second)}`], ["POST /notifications/read"]]);
  assert.deepEqual(counts, [1, 2, 3, 2, 1, 0]);
  await quiesce(client, inboxes, t);
  assertAllExact(client, inboxes);
});

test("a lost response is repeated, and a deletion that arrived before is no error", async (t) => {
  const { client, inboxes } = await loaded(t, 4, 60, {});
  const [{ id }] = inboxes[0].state.notifications;
  const done = client.delete(id);
  client.respond({ isLost: true });
  await client.arrive();
  assert.equal(client.queued, 1);
  t.mock.timers.tick(1000);
  await new Promise(setImmediate);
  client.respond();
  await client.arrive();
  await done;
  assert.equal(client.queued, 0);
});

test("the time that the server asks for is waited, and a server that fails for long refuses", async (t) => {
  const { client, inboxes } = await loaded(t, 5, 60, {});
  const [{ id }] = inboxes[0].state.notifications;
  client.archive(id);
  const { reject } = client.requests.shift();
  reject(new InboxError(429, [], new Headers({ "Retry-After": "5" })));
  await client.arrive();
  t.mock.timers.tick(4_900);
  await client.arrive();
  assert.equal(client.requests.length, 0);
  t.mock.timers.tick(1_200);
  await client.arrive();
  let attempts = 0;
  for (; client.requests.length; attempts++) {
    client.respond({ status: 500 });
    await client.arrive();
    t.mock.timers.tick(60_000);
    await client.arrive();
  }
  assert.ok(attempts > 1 && attempts < 9);
  assert.equal(client.pending.length, 0);
});

test("marking all as read shows no unread ones at once, also where not all are loaded", async (t) => {
  const { client, inboxes } = await loaded(t, 6, [9, ["new"]], { filter: { archived: false }, perPage: 2 }, { filter: { read: false, archived: false }, perPage: 2 });
  assert.ok(inboxes[1].state.hasMore);
  client.readAll({ archived: false, read: false });
  assert.deepEqual(inboxes.map(({ state }) => state.unreadCount), [0, 0]);
  assert.deepEqual([inboxes[1].state.total, inboxes[1].state.hasMore], [0, false]);
  client.respond({ status: 403 });
  await client.arrive();
  assertExact(inboxes[1].state, client.server, inboxes[1].filter);
});

test("what arrives while everything is marked as seen is marked by one further request", async (t) => {
  const { client } = await loaded(t, 6, 60, {});
  for (let count = 0; count < 20; count++) client.seenAll({ archived: false });
  let requests = 0;
  for (; client.requests.length; requests++) {
    client.respond();
    await client.arrive();
  }
  assert.equal(requests, 2);
});

test("a prepared action is shown, and sent or taken back", async (t) => {
  const { client, inboxes } = await loaded(t, 7, 60, {});
  const before = inboxes[0].state;
  const [{ id }] = before.notifications;
  const { undo } = client.prepare("delete", id);
  assert.equal(inboxes[0].state.total, before.total - 1);
  undo();
  assert.deepEqual(inboxes[0].state, before);
  const { commit } = client.prepare("delete", id);
  assert.equal(client.requests.length, 0);
  const done = commit();
  client.respond();
  await client.arrive();
  await done;
  client.next();
  assert.equal(inboxes[0].state.total, before.total - 1);
});

test("older pages continue the list, whatever changes while they are fetched", async (t) => {
  const { server, client, inboxes } = await loaded(t, 8, 300, { filter: {}, perPage: 10, keep: 20 });
  const [inbox] = inboxes;
  for (let round = 0; inbox.state.hasMore; round++) {
    assert.ok(round < 60);
    const more = inbox.loadMore();
    assert.equal(inbox.state.loading, "more");
    client.respond();
    if (round < 5) server.delete(server.items[2]), server.steps(2);
    while (client.hasMissed) client.next();
    await client.arrive();
    await more;
    await quiesce(client, inboxes, t);
    assertAllExact(client, inboxes);
  }
  assert.equal(inbox.state.notifications.length, inbox.state.total);
  assert.ok(inbox.state.total > 40);
});

test("counts are shown before the items are fetched", () => {
  const client = new Client(new Server(seeded(3)).steps(30));
  const inbox = client.inbox({ filter: { archived: false } });
  inbox.start();
  client.ready();
  assert.equal(inbox.state.unreadCount, client.server.counts().unarchived.unread_count);
  client.server.steps(10);
  while (client.hasMissed) client.next();
  assert.equal(inbox.state.unreadCount, client.server.counts().unarchived.unread_count);
  assert.deepEqual([inbox.state.stale, inbox.state.loading, inbox.state.notifications], [true, "first", []]);
  inbox.stop();
});

test("a failed fetch is repeated; a refused one waits for retry", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const client = new Client(new Server(seeded(4)).steps(30));
  const inbox = client.inbox();
  inbox.start();
  client.ready();
  client.respond({ status: 503 });
  await client.arrive();
  assert.equal(inbox.state.error.status, 503);
  t.mock.timers.tick(1000);
  client.respond({ status: 422 });
  await client.arrive();
  t.mock.timers.tick(60_000);
  assert.deepEqual([inbox.state.error.status, inbox.state.stale, client.requests.length], [422, true, 0]);
  inbox.retry();
  client.respond();
  await client.arrive();
  assert.deepEqual([inbox.state.error, inbox.state.stale], [null, false]);
});

test("an inbox that starts when its client is live fetches at once, and one request runs at a time", async (t) => {
  const { client, server } = await loaded(t, 7, 100);
  const inbox = client.inbox({ perPage: 6 });
  inbox.start();
  client.ready();
  assert.equal(client.requests.length, 1);
  await quiesce(client, [inbox], t);
  for (let count = 0; count < 5; count++) {
    server.delete(server.items[0]);
    client.next();
    assert.equal(client.requests.length, count === 3 ? 1 : 0);
    client.respond({ status: 503 });
    await client.arrive();
  }
  t.mock.timers.tick(1000);
  assert.equal(client.requests.length, 1);
});

test("an inbox whose user has no log yet applies the first event", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new Server(seeded(8));
  server.isSilent = true;
  const client = new Client(server);
  const inbox = client.inbox();
  inbox.start();
  client.ready();
  await quiesce(client, [inbox], t);
  server.steps(10);
  while (client.hasMissed) client.next();
  assertExact(inbox.state, server, {});
});
