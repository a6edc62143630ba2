import { InboxError } from "./errors.ts";
import { EventStreamParser } from "./event_stream.ts";
import type { InboxEvent, MessageCounts, ServerMessage } from "./messages.ts";
import { withoutUnset } from "./records.ts";
import type { Transport } from "./types.ts";

/** What a transport connects to, and as whom. */
export interface Target {
  url(path: string, query?: object): string;
  headers(): Headers;
  /** With the names of the first WebSocket message. */
  readonly credentials: object;
  /** The position after which the stream begins, as of now. */
  since(): string | null;
}

/** Why a connection ended. */
export interface End {
  readonly reason: string;
  readonly code?: number;
  readonly httpStatus?: number;
  readonly retryAfterMs?: number | null | undefined;
  readonly permanent?: boolean;
  /** Whether it ended because nothing was received for too long. */
  readonly silent?: boolean;
  /** Whether no transport was tried, because there is no token. */
  readonly untried?: boolean;
}

/** Bytes arrived; a message arrived; the connection ended. None is called before `open` returns. */
export interface Receiver {
  received(): void;
  message(message: ServerMessage): void;
  end(why: End): void;
}

export interface OpenTransport {
  /** Send a message, and return whether this transport can send messages. */
  send(message: object): boolean;
  close(): void;
}

/** A response of `GET /realtime/events`. */
interface EventPage extends MessageCounts {
  readonly events: readonly InboxEvent[];
  readonly position: string;
  /** Why some events are no longer available. */
  readonly reset: string | null;
}

const POLL_SECONDS = 25; // less than proxies allow a request to take
const POLLS = 24; // then another transport may work

type Open = (target: Target, receiver: Receiver) => OpenTransport;

export const TRANSPORTS: Record<Transport, Open> = { websocket: openWebSocket, sse: overHttp(readEventStream), poll: overHttp(poll) };

function openWebSocket({ url, credentials, since }: Target, { received, message, end }: Receiver): OpenTransport {
  const socket = new WebSocket(url("/realtime/ws").replace(/^http/, "ws"), "inbox.v1");
  const send = (outgoing: object) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(outgoing));
    return true;
  };
  socket.onopen = () => send(withoutUnset({ type: "auth", ...credentials, since: since() }));
  socket.onmessage = ({ data }) => {
    received();
    message(JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => end({ code, reason: reason || `closed with code ${code}` });
  return {
    send,
    close() {
      // The closing handshake waits for the peer, which may be unreachable: stop listening at once.
      socket.onopen = socket.onmessage = socket.onclose = null;
      // Browsers warn of a socket that is closed before it is open.
      if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
      else socket.close();
    },
  };
}

type Read = (target: Target, signal: AbortSignal, receiver: Receiver) => Promise<End>;

/** Return a transport that reads responses, with `fetch`, until one of them says why the connection ended. */
function overHttp(read: Read): Open {
  return (target, receiver) => {
    const aborting = new AbortController();
    read(target, aborting.signal, receiver).then(receiver.end, (error) => {
      const { message, status: httpStatus, retryAfterMs, permanent } = error as InboxError;
      const reason = httpStatus ? message : `connection lost: ${message}`;
      receiver.end({ reason, httpStatus, retryAfterMs, permanent });
    });
    return { send: () => false, close: () => aborting.abort() };
  };
}

/**
 * Read an event stream to its end. `fetch` rather than `EventSource`, which cannot send headers, hides why a stream was
 * refused, and does not expose comments, which are the heartbeats.
 */
async function readEventStream(target: Target, signal: AbortSignal, { received, message }: Receiver): Promise<End> {
  const { body } = await get(target, "/realtime/sse", signal);
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended", retryAfterMs: parser.retryMs };
    received();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) message(JSON.parse(data));
  }
  return { reason: "this browser cannot read streams" };
}

/** Request events again and again. The gateway responds to the first request at once, and then waits for an event. */
async function poll(target: Target, signal: AbortSignal, { received, message }: Receiver): Promise<End> {
  for (let polls = 0; polls < POLLS; polls++) {
    const wait = polls ? POLL_SECONDS : undefined;
    const response = await get(target, "/realtime/events", signal, { wait });
    const { position, reset: reason, events, ...counts }: EventPage = await response.json();
    received();
    const start = (reason ? null : target.since()) ?? position;
    message(wait ? { type: "pong" } : { type: "ready", heartbeat_seconds: POLL_SECONDS, ...counts, position: start });
    if (reason) message({ type: "reset", ...counts, position, reason });
    events.forEach(message);
  }
  return { reason: "polled" };
}

/** Return the response to a request for messages. Throws InboxError for a refusal. */
async function get({ url, headers, since }: Target, path: string, signal: AbortSignal, query?: object): Promise<Response> {
  const response = await fetch(url(path, { since: since(), ...query }), { headers: headers(), signal, cache: "no-store" });
  if (response.status === 204) throw { status: 204, message: "the user has too many open connections", permanent: true };
  if (!response.ok) throw await InboxError.from(response);
  return response;
}
