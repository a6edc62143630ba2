/** Figures as columns, scales and CSV. */

import assert from "node:assert/strict";
import test from "node:test";
import { csv } from "dashboard/chart/csv.ts";
import { columns, merged, niceMax, total } from "dashboard/chart/series.ts";

test("columns have every interval of the range, also those without a point", () => {
  const points = [{ at: 60, sent: 3 }, { at: 185, sent: 5 }, { at: 900, sent: 1 }];
  const range = { from: 65, to: 250, step: 60 };
  assert.deepEqual(columns(points, ["sent"], range), { times: [60, 120, 180, 240], values: [[3, 0, 5, 0]] });
  assert.deepEqual(columns(points, ["sent", "other"], range, null).values, [[3, null, 5, null], [null, null, null, null]]);
  assert.deepEqual(columns([], ["sent"], { from: 10, to: 0, step: 5 }), { times: [], values: [[]] });
});

test("neighbouring intervals are summed where there are too many", () => {
  const all = { times: [0, 1, 2, 3, 4], values: [[1, 2, 3, 4, 5], [null, null, null, 1, null]] };
  assert.deepEqual(merged(all, 5), all);
  assert.deepEqual(merged(all, 3), { times: [0, 2, 4], values: [[3, 7, 5], [null, 1, null]] });
});

test("a scale ends at a round number", () => {
  assert.deepEqual([0, 3, 4, 7, 12, 39, 41, 99, 100, 1234].map((value) => niceMax(value)), [4, 4, 4, 10, 20, 40, 50, 100, 100, 2000]);
});

test("a column without values has no sum", () => {
  assert.deepEqual([total([null, 2, 3]), total([0]), total([null])], [5, 0, null]);
});

test("texts are quoted, and never become formulas", () => {
  assert.equal(csv([["Month", "A, \"b\""], ["=1+1", -3], [null, 0.5]]), 'Month,"A, ""b"""\r\n\'=1+1,-3\r\n,0.5\r\n');
});
