/** Usage as rows and CSV. */

import assert from "node:assert/strict";
import test from "node:test";
import { channelsOf, periodCsv, periodName, periodsOf, usageOf } from "dashboard/screens/usage/periods.ts";

const counts = (sends, deliveries = []) => ({ sends, broadcasts: 1, stored: 10 * sends, suppressed: 2, deliveries });
const mail = { channel: "email", ended: 5, failed: 1, states: { delivered: 4, refused: 1 } };
const USAGE = {
  months: [
    { month: "2026-10", active_users: 7, ...counts(3) },
    { month: "2026-11", active_users: 9, ...counts(4, [mail, { ...mail, channel: "sms" }]) },
  ],
  days: [{ day: "2026-11-30", ...counts(1, [mail]) }],
};

test("months and days are rows with the beginning of their period", () => {
  const [october, november] = periodsOf(USAGE, "months");
  assert.deepEqual([october.name, october.time, october.activeUsers], ["2026-10", Date.UTC(2026, 9, 1) / 1000, 7]);
  assert.deepEqual([periodName(november.time, "months"), periodName(november.time, "days")], ["Nov 2026", "Nov 1"]);
  assert.deepEqual(channelsOf([october, november]), ["email", "sms"]);
  assert.deepEqual(usageOf(october, "email"), { ended: 0, failed: 0 });
  const [day] = periodsOf(USAGE, "days");
  assert.deepEqual([day.name, day.time, day.activeUsers], ["2026-11-30", Date.UTC(2026, 10, 30) / 1000, null]);
});

test("the CSV has a row for each period and two columns for each channel", () => {
  assert.equal(
    periodCsv(periodsOf(USAGE, "months")),
    "period,active_users,sends,broadcasts,stored,suppressed,email_ended,email_failed,sms_ended,sms_failed\r\n" +
      "2026-10,7,3,1,30,2,0,0,0,0\r\n2026-11,9,4,1,40,2,5,1,5,1\r\n",
  );
  assert.equal(periodCsv(periodsOf(USAGE, "days")), "period,sends,broadcasts,stored,suppressed,email_ended,email_failed\r\n2026-11-30,1,1,10,2,5,1\r\n");
});
