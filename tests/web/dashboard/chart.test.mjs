/** Figures by time, and as CSV. */

import assert from "node:assert/strict";
import test from "node:test";
import { csv } from "dashboard/core/csv.ts";
import { withinMinutes } from "dashboard/screens/overview/series.ts";

test("a series has a time for each of its steps", () => {
  const start = "2026-11-30T07:00:00Z";
  const first = Date.parse(start) / 1000;
  assert.deepEqual(withinMinutes({ start, step_seconds: 60, series: { a: [1, 2], b: [1, 2, 3] } }), [first, first + 60, first + 120]);
  assert.deepEqual(withinMinutes({ start, step_seconds: 60, series: {} }), []);
});

test("texts are quoted, and never become formulas", () => {
  assert.equal(csv([["Month", "A, \"b\""], ["=1+1", -3], [null, 0.5]]), 'Month,"A, ""b"""\r\n\'=1+1,-3\r\n,0.5\r\n');
});
