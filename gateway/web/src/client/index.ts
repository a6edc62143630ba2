/**
 * The browser client of the inbox gateway, an ES module without dependencies.
 *
 *     import { InboxClient } from "/client.js";
 *
 *     const client = new InboxClient({ apiKey, userExternalId: "ada", userHmac });
 *     const inbox = client.inbox({ filter: { archived: false } });
 *     inbox.addEventListener("change", () => render(inbox.state));
 *     inbox.start();
 *
 * The live protocol
 * -----------------
 * Each change to a user's inbox is an event with a position, "epoch.offset". Offsets count 1, 2, 3, …
 * without gaps; the epoch identifies the log to which they belong. On each connection the server first
 * sends `ready` with the position after which the stream begins, and then one `event` after another.
 *
 * After a lost connection the client reconnects with the last position that it processed (`since`), and
 * the server sends exactly the events after it. If the server cannot do so any more, it sends `reset`:
 * the client fetches the inbox once and continues from there. A lost connection therefore costs nothing
 * but time, and wherever this client cannot trust a connection, it drops it and resumes.
 *
 * WebSocket and server-sent events carry the same JSON objects. They differ in how credentials are sent
 * (in the first message or in headers; never in the URL, which is written to logs) and in their
 * heartbeats (ping and pong, or a comment line). An event may have megabytes, because a notification may.
 *
 * Layers, top down
 * ----------------
 * inbox.ts         Inbox: the notifications and counts of a filter, to show
 * reducer.ts       applyEvent: a list and its counts after an event
 * inbox_client.ts  InboxClient: inboxes, actions, and requests to the REST API
 * actions.ts       Actions: shown at once, queued, and taken back if they are refused
 * live_client.ts   LiveClient: one gapless stream made of many connections
 * credentials.ts   Credentials: who the user is, and new tokens in time
 * tabs.ts          Tabs: one connection for all tabs of a browser
 * connection.ts    Connection: one connection and its heartbeats
 * transports.ts    WebSocket, server-sent events over fetch, long polling
 */

export { InboxClient } from "./inbox_client.ts";
export { InboxError } from "./errors.ts";
export { EventStreamParser } from "./event_stream.ts";
export { userHmac } from "./hmac.ts";
export { Inbox } from "./inbox.ts";
export { applyEvent } from "./reducer.ts";
export type * from "./types.ts";
