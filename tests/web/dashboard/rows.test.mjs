/** What an import reads: CSV as programs write it, and JSON. */

import assert from "node:assert/strict";
import test from "node:test";
import { parseCsv, readRows } from "dashboard/screens/users/rows.ts";

test("CSV has quotes, separators and ends of lines of all kinds", () => {
  assert.deepEqual(parseCsv('\uFEFFa,b\r\n"1,2","say ""hi""\nthere"\r\n\n,x'), [["a", "b"], ["1,2", 'say "hi"\nthere'], ["", "x"]]);
  assert.deepEqual(parseCsv("a;b\r1;2"), [["a", "b"], ["1", "2"]]);
  assert.deepEqual(parseCsv("a\tb\n1\t"), [["a", "b"], ["1", ""]]);
});

test("columns of other names become attributes, and names are read as people write them", () => {
  const text = "User ID,E-Mail,First name,phone,plan,seats,active,zip\nada,ada@example.com,Ada,+1;+2,pro,5,TRUE,01234\njoe,,,,,,,";
  assert.deepEqual(readRows(text), [
    {
      external_id: "ada",
      email: "ada@example.com",
      first_name: "Ada",
      phone_numbers: ["+1", "+2"],
      custom_attributes: { plan: "pro", seats: 5, active: true, zip: "01234" },
    },
    { external_id: "joe" },
  ]);
  assert.deepEqual(readRows('email,custom_attributes\na@b.c,"{""plan"":""pro""}"\nx@y.z,text'), [
    { email: "a@b.c", custom_attributes: { plan: "pro" } },
    { email: "x@y.z", custom_attributes: { custom_attributes: "text" } },
  ]);
});

test("JSON is a list, or the body of the API", () => {
  const users = [{ external_id: "ada" }];
  for (const value of [users, { users }, { import: { users } }, { data: users }]) assert.deepEqual(readRows(JSON.stringify(value)), users);
});

test("what cannot be read is explained", () => {
  assert.throws(() => readRows(" "), /nothing in it/);
  assert.throws(() => readRows("{"), /not valid JSON/);
  assert.throws(() => readRows('{"a": 1}'), /must be a list/);
  assert.throws(() => readRows("name\nAda"), /must be external_id or email/);
});
