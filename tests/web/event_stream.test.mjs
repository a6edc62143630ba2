/** The parser of text/event-stream: the examples of the HTML standard, section 9.2.6, and edge cases. */

import assert from "node:assert/strict";
import test from "node:test";

import { EventStreamParser } from "../../gateway/web/dist/client.js";

const message = (data, id = "") => ({ event: "message", data, id });

const CASES = {
  "a message of several lines": ["data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]],
  "ids, a comment, an optional space": [
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    [message("first event", "1"), message("second event"), message(" third event")],
  ],
  "empty data, and a message that never ends": ["data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]],
  "a named event, CR LF, and characters that do not end a line": [
    'event: notifications/new\r\nid: e.1\r\ndata: {"a":"\u2028x: y"}\r\n\r\n',
    [{ event: "notifications/new", data: '{"a":"\u2028x: y"}', id: "e.1" }],
  ],
  "a name without data does not apply to the next message": ["event: x\r\n\r\ndata: z\r\r", [message("z")]],
  "the last id applies to later messages, and an id with a NUL is ignored": ["id: e.1\n\nid: a\0b\ndata: q\n\n", [message("q", "e.1")]],
};

function inPieces(text, length) {
  return Array.from({ length: Math.ceil(text.length / length) }, (_, index) => text.substr(index * length, length));
}

for (const [name, [text, expected]] of Object.entries(CASES)) {
  test(`${name}, in pieces of any length`, () => {
    for (const length of [1, 2, 3, 7, text.length]) {
      const parser = new EventStreamParser();
      const events = inPieces(text, length).flatMap((piece) => [...parser.push(piece), ...parser.push("")]);
      assert.deepEqual(events, expected);
    }
  });
}

test("the reconnection time has digits only", () => {
  const parser = new EventStreamParser();
  parser.push("retry: 15\nretry: 1x\n");
  assert.equal(parser.retryMs, 15);
});
