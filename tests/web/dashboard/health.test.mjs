/** The lines of the health of a gateway. */

import assert from "node:assert/strict";
import test from "node:test";
import { nodeLine, redisLine } from "dashboard/screens/overview/health_lines.ts";

const NODE = { id: "a", kind: "worker", version: "1.0.0", host: "web-1", pid: 7, started_at: "", connections: 1200, loop_lag_ms: 2, redis_ms: 0.4 };
const REDIS = {
  ...{ name: "127.0.0.1:6379", problem: null, version: "valkey 8.1.1", used_memory: 10_000_000, max_memory: null, policy: "noeviction" },
  ...{ evicted_keys: 0, commands_per_second: 320, persistence: "aof", saves_well: true },
};

test("a process that is well has its figures, another its problem", () => {
  assert.deepEqual(nodeLine(NODE), {
    ...{ id: "a", name: "Worker", detail: "web-1, process 7, 1.0.0", figures: "1,200 connections · Redis 0 ms", tone: "ok", problem: "" },
  });
  const deliverer = nodeLine({ ...NODE, kind: "deliverer", loop_lag_ms: 800 });
  assert.deepEqual([deliverer.name, deliverer.tone, deliverer.problem], ["Delivery worker", "warning", "Its event loop was late by 800 ms"]);
  assert.deepEqual([nodeLine({ ...NODE, redis_ms: null }).tone], ["danger"]);
});

test("a Redis server names the worst of its problems", () => {
  const of = (change) => redisLine({ ...REDIS, ...change });
  assert.deepEqual([of({}).name, of({}).detail, of({}).figures, of({}).tone], ["Valkey", "127.0.0.1:6379, 8.1.1", "10 MB · 320 commands/s", "ok"]);
  assert.equal(of({ max_memory: 100_000_000 }).figures, "10 MB of 100 MB · 320 commands/s");
  const verdicts = [
    [{ problem: "It does not reply", saves_well: false }, "danger", /does not reply/],
    [{ saves_well: false, evicted_keys: 3 }, "danger", /disk/],
    [{ evicted_keys: 3 }, "danger", /evicted 3 keys/],
    [{ policy: "allkeys-lru" }, "warning", /allkeys-lru/],
    [{ max_memory: 12_000_000 }, "warning", /83% full/],
    [{ persistence: "none" }, "warning", /nothing on disk/],
  ];
  for (const [change, tone, problem] of verdicts) {
    assert.equal(of(change).tone, tone);
    assert.match(of(change).problem, problem);
  }
});
