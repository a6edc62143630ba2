import { InboxError } from "./errors.ts";
import { EventStreamParser } from "./event_stream.ts";
import { withoutUnset } from "./records.ts";

/**
 * Functions that open a connection and return `{send, close}`.
 *
 * They call `received` when bytes arrive, `message` with the JSON of a message, and `end` with the reason of the
 * end. They call none of these before they return.
 */
export const TRANSPORTS = { websocket: openWebSocket, sse: openEventStream };

function openWebSocket({ url, credentials, since }, { received, message, end }) {
  const socket = new WebSocket(url("/realtime/ws").replace(/^http/, "ws"), "inbox.v1");
  const send = (outgoing) => {
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
function openEventStream({ url, headers, since }, { received, message, end }) {
  const aborting = new AbortController();
  readEventStream(url("/realtime/sse", { since }), headers, aborting.signal, { received, message }).then(end, (error) =>
    end({ reason: `connection lost: ${error.message}` }),
  );
  return { send: () => false, close: () => aborting.abort() };
}

/** Read a stream to its end, and return why it ended. */
async function readEventStream(url, headers, signal, { received, message }) {
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.status === 204) return { status: 204, reason: "the user has too many open connections", permanent: true };
  if (!response.ok) {
    const error = await InboxError.from(response);
    const { status, code, retryAfterMs, permanent } = error;
    return { status, reason: error.message, errorCode: code, retryAfterMs, permanent };
  }
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { reason: "the stream ended", retryAfterMs: parser.retryMs };
    received();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) message(data);
  }
}
