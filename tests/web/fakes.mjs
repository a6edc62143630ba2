/** What stands in for a gateway and a browser in tests of the client. */

import { once } from "node:events";
import { createServer } from "node:http";

export const COUNTS = { unread_count: 0, unseen_count: 0, unarchived: { unread_count: 0, unseen_count: 0 } };
export const event = (offset) => ({
  type: "event",
  position: `e.${offset}`,
  name: "notifications/new",
  data: { notification: { id: `n${offset}` } },
  ...COUNTS,
});

/** Serve an inbox at `e.1`, with an event each time `send` is called. `faults` replace the handlers of paths. */
export async function server(t, faults) {
  const requests = [];
  const events = [];
  const listeners = new Set();
  const stream = (response, since) => {
    response.setHeader("Content-Type", "text/event-stream");
    const write = (message) => response.write(`data: ${JSON.stringify(message)}\n\n`);
    write({ type: "ready", position: since ?? `e.${1 + events.length}`, heartbeat_seconds: 25, ...COUNTS });
    let next = since ? Number(since.split(".")[1]) - 1 : events.length;
    const more = () => events.slice(next).forEach((each) => write(each, next++));
    more();
    listeners.add(more);
  };
  const handlers = {
    "/realtime/sse": stream,
    "/realtime/events": async (response, since, wait) => {
      const after = since ? Number(since.split(".")[1]) - 1 : events.length;
      if (wait && events.length === after) await new Promise((resolve) => listeners.add(resolve));
      const page = events.slice(after);
      response.end(JSON.stringify({ events: page, position: `e.${1 + events.length}`, more: false, reset: null, ...COUNTS }));
    },
    ...faults,
  };
  const listening = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    requests.push(request.url);
    handlers[pathname](response, searchParams.get("since"), searchParams.get("wait"), request);
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  t.after(() => listening.close());
  t.after(() => listening.closeAllConnections());
  const send = () => {
    events.push(event(events.length + 2));
    for (const listener of [...listeners]) listener();
  };
  return { url: `http://127.0.0.1:${listening.address().port}`, requests, send };
}

/** Replace a global for the rest of a test. */
export function replaced(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
}

/** Locks as browsers have them. */
export class Locks {
  #queues = new Map();

  request(name, { signal, steal }, run) {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    return new Promise((resolve, reject) => {
      const entry = { run, resolve, reject };
      if (steal) queue.splice(0, 1, entry)[0]?.reject(new DOMException("stolen", "AbortError"));
      else queue.push(entry);
      signal?.addEventListener("abort", () => {
        if (queue.indexOf(entry) < 1) return; // it has the lock
        queue.splice(queue.indexOf(entry), 1);
        reject(signal.reason);
      });
      if (queue[0] === entry) this.#grant(queue);
    });
  }

  async #grant(queue) {
    const [entry] = queue;
    await null;
    await entry?.run();
    if (queue[0] !== entry || !entry) return;
    entry.resolve();
    queue.shift();
    this.#grant(queue);
  }
}
