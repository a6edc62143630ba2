/** The reducer and the Inbox against a model of the server: random histories, and every order of arrival. */

import assert from "node:assert/strict";
import test from "node:test";

import { applyEvent, Inbox } from "../../gateway/web/dist/client.js";
import { Client, seeded, Server, stateFrom } from "./model.mjs";

function* histories(count) {
  for (let seed = 0; seed < count; seed++) yield new Server(seeded(seed)).steps(seed % 30);
}

const fetchFrom = (server, perPage) => stateFrom(server.list({ perPage }), server.list({ archived: false }));

/** Assert that a state equals the server's at its position, for as many items as the state has. */
function assertExact(state, server) {
  const { notifications, ...rest } = server.states.get(state.position);
  assert.deepEqual(state, {
    ...rest,
    notifications: notifications.slice(0, state.notifications.length),
    hasMore: notifications.length > state.notifications.length,
  });
}

test("the events after a fetch, applied to its response, give the state of a new fetch", () => {
  for (const server of histories(500)) {
    const fetched = fetchFrom(server);
    const handled = server.log.length;
    server.steps(20);
    assert.deepEqual(server.log.slice(handled).reduce(applyEvent, fetched), fetchFrom(server));
  }
});

test("the first page stays the beginning of the inbox, and reports whether there is more", () => {
  for (const server of histories(500)) {
    const fetched = fetchFrom(server, 8);
    const handled = server.log.length;
    server.steps(20);
    assertExact(server.log.slice(handled).reduce(applyEvent, fetched), server);
  }
});

test("an inbox stays exact while new items displace the oldest, on the first page or below it", () => {
  for (const server of histories(500)) {
    const fetched = fetchFrom(server, 8);
    const handled = server.log.length;
    server.keep = server.dice.pick([1, 4, 8, 12]);
    server.steps(30);
    assertExact(server.log.slice(handled).reduce(applyEvent, fetched), server);
  }
});

test("an event that the response already contains changes nothing", () => {
  for (const server of histories(300)) {
    const fetched = fetchFrom(server);
    for (const event of server.log) assert.equal(applyEvent(fetched, event), fetched);
  }
});

test("an event of another log changes nothing", () => {
  const server = new Server(seeded(1)).steps(5);
  const fetched = fetchFrom(server);
  server.loseData();
  server.steps(50);
  for (const event of server.log) assert.equal(applyEvent(fetched, event), fetched);
});

test("an inbox is exact as of its position, in whatever order messages arrive, and is up to date in the end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const server of histories(200)) {
    const { chance, pick } = server.dice;
    const client = new Client(server);
    const inbox = new Inbox(client, { perPage: 10, keep: 25 });
    const steps = [
      ...Array(7).fill(() => server.steps(1)),
      ...Array(6).fill(() => client.next()),
      ...Array(4).fill(() => client.respond(chance(0.1) ? new Error("Redis is down") : undefined)),
      ...Array(4).fill(() => client.arrive()),
      () => client.ready(),
      () => client.reset(),
      () => chance(0.3) && server.loseData(),
      () => t.mock.timers.tick(1000),
    ];
    inbox.start();
    client.ready();
    for (let count = 0; count < 80; count++) {
      await pick(steps)();
      if (inbox.stale) continue;
      // Only these counts may be ahead of the state, and only while events are on their way.
      const { unarchived } = client.hasMissed ? server.states.get(inbox.state.position) : inbox.state;
      assertExact({ ...inbox.state, unarchived }, server);
    }

    if (client.log !== server.log) client.reset();
    while (inbox.stale || client.requests.length + client.responses.length > 0 || client.hasMissed) {
      client.next();
      client.respond();
      await client.arrive();
      t.mock.timers.tick(60_000);
    }
    assert.equal(inbox.state.position, server.position);
    assertExact(inbox.state, server);
    assert.ok(inbox.state.notifications.length <= 25);
    assert.ok(inbox.state.notifications.length >= 5 || !inbox.state.hasMore);
    inbox.stop();
  }
});

test("counts are shown before the items are fetched", () => {
  const server = new Server(seeded(3)).steps(30);
  const client = new Client(server);
  const inbox = new Inbox(client);
  inbox.start();
  client.ready();
  assert.equal(inbox.state.unreadCount, server.counts().unread_count);
  server.steps(10);
  while (client.hasMissed) client.next();
  assert.equal(inbox.state.unreadCount, server.counts().unread_count);
  assert.deepEqual([inbox.stale, inbox.state.notifications], [true, []]);
});

test("a failed fetch is repeated; a refused one waits for the next ready", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const client = new Client(new Server(seeded(4)).steps(30));
  const inbox = new Inbox(client);
  inbox.start();
  client.ready();
  client.respond(new Error("Redis is down"));
  await client.arrive();
  t.mock.timers.tick(1000);
  client.respond(Object.assign(new Error("The token has expired"), { permanent: true }));
  await client.arrive();
  t.mock.timers.tick(60_000);
  assert.deepEqual([inbox.stale, client.requests.length], [true, 0]);
  client.ready();
  assert.equal(client.requests.length, 1);
  inbox.stop();
});

test("an inbox whose client is already live fetches at once", () => {
  const client = new Client(new Server(seeded(5)));
  client.ready();
  client.connect = () => {};
  new Inbox(client).start();
  assert.equal(client.requests.length, 1);
});

test("no fetch is started while one is under way or waits to be repeated", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new Server(seeded(7)).steps(100);
  const client = new Client(server);
  const inbox = new Inbox(client, { perPage: 6 });
  inbox.start();
  client.ready();
  client.ready();
  assert.equal(client.requests.length, 1);
  while (inbox.stale) {
    client.respond();
    await client.arrive();
  }
  for (let count = 0; count < 5; count++) {
    server.delete(server.items[0]);
    client.next();
    assert.equal(client.requests.length, count === 3 ? 1 : 0);
    client.respond(new Error("Redis is down"));
    await client.arrive();
  }
  t.mock.timers.tick(1000);
  assert.equal(client.requests.length, 1);
  inbox.stop();
});

test("an inbox whose user has no log yet applies the first event", async () => {
  const server = new Server(seeded(8));
  const client = new Client(server);
  const inbox = new Inbox(client);
  inbox.start();
  client.ready();
  server.list = () => ({ notifications: [], total: 0, unread_count: 0, unseen_count: 0, position: null });
  while (inbox.stale) {
    client.respond();
    await client.arrive();
  }
  delete server.list;
  server.steps(10);
  while (client.hasMissed) client.next();
  assertExact(inbox.state, server);
});
