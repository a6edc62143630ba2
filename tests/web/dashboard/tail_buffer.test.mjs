/** The bounded buffer of the live tail. */

import assert from "node:assert/strict";
import test from "node:test";
import { TailBuffer } from "dashboard/screens/live/tail_buffer.ts";
import { windowOf } from "dashboard/screens/live/use_window.ts";

const rows = (...ids) => ids.map((id) => ({ id }));
const ids = (buffer) => buffer.rows.map(({ id }) => id).join("");

test("rows are shown newest first, each once, in whatever order they arrive", () => {
  const buffer = new TailBuffer(5);
  buffer.add(rows("c", "d"));
  buffer.add(rows("a", "b", "c", "a"));
  assert.equal(ids(buffer), "dcba");
  assert.equal(buffer.dropped, 0);
});

test("a full buffer drops its oldest rows and counts them", () => {
  const buffer = new TailBuffer(3);
  for (const id of "abcdefg") buffer.add(rows(id));
  assert.equal(ids(buffer), "gfe");
  assert.equal(buffer.dropped, 4);
});

test("a held buffer shows the same array until it is released", () => {
  const buffer = new TailBuffer(3);
  buffer.add(rows("a", "b"));
  const before = buffer.rows;
  buffer.hold();
  buffer.add(rows("c", "b"));
  assert.equal(buffer.rows, before);
  assert.equal(buffer.waiting, 1);
  for (const id of "defg") buffer.add(rows(id));
  assert.deepEqual([buffer.waiting, buffer.dropped], [3, 2]);
  buffer.release();
  assert.equal(ids(buffer), "gfe");
  assert.deepEqual([buffer.waiting, buffer.dropped], [0, 4]);
  buffer.add(rows("h"));
  assert.equal(ids(buffer), "hgf");
});

test("a cleared buffer counts anew, and takes rows that it had", () => {
  const buffer = new TailBuffer(2);
  buffer.add(rows("a", "b", "c"));
  buffer.clear();
  buffer.add(rows("c"));
  assert.deepEqual([ids(buffer), buffer.dropped], ["c", 0]);
});

test("only the rows in view and those near it are rendered", () => {
  assert.deepEqual(windowOf(0, 360, 36, 1000), { start: 0, end: 22, rowPx: 36 });
  assert.deepEqual(windowOf(3600, 360, 36, 1000), { start: 88, end: 122, rowPx: 36 });
  assert.deepEqual(windowOf(36_000, 360, 36, 1000), { start: 988, end: 1000, rowPx: 36 });
  assert.deepEqual(windowOf(3600, 360, 36, 3), { start: 0, end: 3, rowPx: 36 });
  assert.deepEqual(windowOf(0, 360, 36, 0), { start: 0, end: 0, rowPx: 36 });
});
