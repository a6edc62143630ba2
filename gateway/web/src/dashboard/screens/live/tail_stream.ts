/**
 * A tail over server-sent events that is read by `fetch`: an `EventSource` shows neither the status of a refusal nor the
 * reason of an end. It reconnects with the id of the last event, and the server sends what was missed.
 */

import { EventStreamParser } from "../../../client/event_stream.ts";

export type TailState = "connecting" | "live" | "reconnecting" | "ended";

/** Why a tail is not live. `status` is 0 if no response came. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

export interface TailSink {
  /** The stream is open: what happens from now on is received. */
  opened(): void;
  /** A record of the stream, parsed. */
  record(data: any, id: string): void;
  /** The server no longer has the events after the last one: some may be missing. */
  reset(): void;
  /** The server had no room for some records. */
  lost(count: number): void;
  state(state: TailState, refusal?: Refusal): void;
}

/** Open the stream after an event, if there is one. A response that is no success is raised as a `Refusal`. */
export type OpenTail = (lastId: string, signal: AbortSignal) => Promise<Response>;

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 15_000;
const SILENCE_MS = 75_000; // three heartbeats of the default setting

/** Follow a tail until the returned function is called, or the server refuses it for good. */
export function followTail(open: OpenTail, sink: TailSink, wait = waiting, silenceMs = SILENCE_MS): () => void {
  const stop = new AbortController();
  void run(open, sink, stop.signal, wait, silenceMs);
  return () => stop.abort();
}

async function run(open: OpenTail, sink: TailSink, stop: AbortSignal, wait: typeof waiting, silenceMs: number): Promise<void> {
  let lastId = "";
  let failures = 0;
  sink.state("connecting");
  while (!stop.aborted) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    stop.addEventListener("abort", abort);
    let retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
    let refusal: Refusal | undefined;
    try {
      const response = await open(lastId, attempt.signal);
      failures = 0;
      sink.state("live");
      sink.opened();
      retryMs = await read(response, sink, (id) => (lastId = id), abort, silenceMs);
    } catch (error) {
      refusal = asRefusal(error);
      if (refusal && isFinal(refusal.status)) return sink.state("ended", refusal);
      retryMs = Math.max(retryMs, 1000 * (refusal?.retryAfterSeconds ?? 0));
      failures += 1; // no response, or a stream that broke
    } finally {
      stop.removeEventListener("abort", abort);
    }
    if (stop.aborted) return;
    sink.state("reconnecting", refusal);
    await wait(retryMs, stop);
  }
}

/** Read a stream to its end, and return when to reconnect. A stream without a heartbeat is given up. */
async function read(
  response: Response,
  sink: TailSink,
  received: (id: string) => void,
  abort: () => void,
  silenceMs: number,
): Promise<number> {
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  for (;;) {
    const silence = setTimeout(abort, silenceMs);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return parser.retryMs ?? FIRST_RETRY_MS;
    for (const { event, data, id } of parser.push(decoder.decode(value, { stream: true }))) {
      if (event === "reset") sink.reset();
      else if (event === "dropped") sink.lost(JSON.parse(data).count);
      else if (event === "message") {
        sink.record(JSON.parse(data), id);
        if (id) received(id);
      } // after `goodbye` the server closes the stream, and answers the next request with the reason
    }
  }
}

const isFinal = (status: number) => status >= 400 && status < 500 && status !== 408 && status !== 429;

function asRefusal(error: unknown): Refusal | undefined {
  const status = (error as Partial<Refusal> | null)?.status;
  return status ? (error as Refusal) : undefined;
}

/** Wait for a time, or until the signal is aborted. */
function waiting(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
