/** The stream of the live tail: what it makes of records, refusals and broken connections. */

import assert from "node:assert/strict";
import test from "node:test";
import { followTail } from "dashboard/screens/live/tail_stream.ts";

const stream = (...parts) =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
        controller.close();
      },
    }),
  );
const problem = (status, retryAfterSeconds = null) => Object.assign(new Error("Why"), { status, retryAfterSeconds });
const record = (id, data = { id }) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

/** Follow a tail whose attempts have these responses; the last one ends it. Return what the sink was told. */
function told(...answers) {
  const log = [];
  return new Promise((resolve) => {
    const sink = {
      opened: () => log.push("opened"),
      record: ({ id }) => log.push(id),
      reset: () => log.push("reset"),
      lost: (count) => log.push(`lost ${count}`),
      state(state, refusal) {
        log.push(refusal ? `${state} ${refusal.status}` : state);
        if (state === "ended") resolve(log);
      },
    };
    const open = async (lastId) => {
      log.push(`open ${lastId}`);
      const answer = answers.shift();
      if (!answer) throw new TypeError("no network");
      if (answer instanceof Error) throw answer;
      return answer;
    };
    followTail(open, sink, async (ms) => void log.push(`wait ${ms}`));
  });
}

const GONE = () => problem(401);

test("a tail reconnects with the id of its last event, when the server says", async () => {
  const first = stream("retry: 700\n: open\n\n", record("a") + record("b"), 'event: goodbye\ndata: {"reason":"reconnect"}\n\n');
  assert.deepEqual(await told(first, stream(record("c")), GONE()), [
    "connecting", "open ", "live", "opened", "a", "b", "reconnecting", "wait 700",
    "open b", "live", "opened", "c", "reconnecting", "wait 1000",
    "open c", "ended 401",
  ]);
});

test("a tail waits longer after each failure, and as long as a refusal demands", async () => {
  const busy = problem(429, 5);
  assert.deepEqual(await told(null, null, busy, stream(), GONE()), [
    "connecting", "open ", "reconnecting", "wait 1000", "open ", "reconnecting", "wait 2000",
    "open ", "reconnecting 429", "wait 5000", "open ", "live", "opened", "reconnecting", "wait 1000",
    "open ", "ended 401",
  ]);
});

test("events that the log or the server no longer has are told", async () => {
  assert.ok((await told(stream("event: dropped\ndata: {\"count\":7}\n\n"), GONE())).includes("lost 7"));
  assert.ok((await told(stream('event: reset\ndata: {"reason":"event_expired"}\n\n'), GONE())).includes("reset"));
});

test("a silent stream is given up, and a stopped tail opens no other", async () => {
  const states = [];
  let opened = 0;
  const silent = (signal) =>
    new Response(new ReadableStream({ start: (to) => signal.addEventListener("abort", () => to.error(new Error("cut"))) }));
  await new Promise((resolve) => {
    const sink = { opened() {}, record() {}, reset() {}, state: (state) => states.push(state) };
    const stop = followTail(async (_, signal) => ((opened += 1), silent(signal)), sink, async () => (stop(), resolve()), 5);
  });
  assert.deepEqual([states, opened], [["connecting", "live", "reconnecting"], 1]);
});
