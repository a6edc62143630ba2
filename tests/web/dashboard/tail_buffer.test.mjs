/** The bounded buffer of the live tail. */

import assert from "node:assert/strict";
import test from "node:test";
import { TailBuffer } from "dashboard/screens/live/tail_buffer.ts";

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
