import { InboxError } from "./errors.ts";
import { EventStreamParser } from "./event_stream.ts";
import { withoutUnset } from "./records.ts";

/** What a transport connects to, and as whom. */
export interface Target {
  url(path: string, query?: object): string;
  readonly headers: Headers;
  /** With the names of the first WebSocket message. */
  readonly credentials: object;
  readonly since: string | null;
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
}

/** Bytes arrived; the JSON of a message arrived; the connection ended. None is called before `open` returns. */
export interface Receiver {
  received(): void;
  message(json: string): void;
  end(why: End): void;
}

export interface OpenTransport {
  /** Send a message, and return whether this transport can send messages. */
  send(message: object): boolean;
  close(): void;
}

type Open = (target: Target, receiver: Receiver) => OpenTransport;

export const TRANSPORTS = { websocket: openWebSocket, sse: openEventStream } satisfies Record<string, Open>;

function openWebSocket({ url, credentials, since }: Target, { received, message, end }: Receiver): OpenTransport {
  const socket = new WebSocket(url("/realtime/ws").replace(/^http/, "ws"), "inbox.v1");
  const send = (outgoing: object) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(outgoing));
    return true;
  };
  socket.onopen = () => send(withoutUnset({ type: "auth", ...credentials, since }));
  socket.onmessage = ({ data }) => {
    received();
    message(data);
  };
  socket.onclose = ({ code, reason }) => end({ code, reason: reason || `closed with code ${code}` });
  return {
    send,
    close() {
      // The closing handshake waits for the peer, which may be unreachable: stop listening at once.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

/**
 * Open an event stream with `fetch` rather than `EventSource`, which cannot send headers, hides why a
 * stream was refused, and does not expose comments, which are the heartbeats.
 */
function openEventStream({ url, headers, since }: Target, { received, message, end }: Receiver): OpenTransport {
  const aborting = new AbortController();
  readEventStream(url("/realtime/sse", { since }), headers, aborting.signal, { received, message }).then(end, (error) =>
    end({ reason: `connection lost: ${error.message}` }),
  );
  return { send: () => false, close: () => aborting.abort() };
}

/** Read a stream to its end, and return why it ended. */
async function readEventStream(
  url: string,
  headers: Headers,
  signal: AbortSignal,
  { received, message }: Pick<Receiver, "received" | "message">,
): Promise<End> {
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.status === 204) return { httpStatus: 204, reason: "the user has too many open connections", permanent: true };
  if (!response.ok) {
    const { status, message: reason, retryAfterMs, permanent } = await InboxError.from(response);
    return { httpStatus: status, reason, retryAfterMs, permanent };
  }
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended", retryAfterMs: parser.retryMs };
    received();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) message(data);
  }
}
