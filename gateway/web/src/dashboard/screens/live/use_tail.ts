/** The live tail as a component uses it. */

import { useEffect, useReducer, useRef } from "preact/hooks";
import { type ApiFailure, asFailure } from "../../core/failure.ts";
import { MAX_ROWS, TailBuffer } from "./tail_buffer.ts";
import { type OpenTail, type Refusal, type TailState, followTail } from "./tail_stream.ts";
import type { ProjectEvent } from "./event_text.ts";

/** How often arrived rows are shown: often enough to be live, and rarely enough to be cheap at any rate. */
const SHOW_EVERY_MS = 200;

export interface Tail {
  readonly state: TailState;
  readonly refusal: Refusal | undefined;
  readonly rows: readonly ProjectEvent[];
  /** How many rows arrived since the tail is held. */
  readonly waiting: number;
  readonly dropped: number;
  /** Whether the server no longer had all events after an interruption. */
  readonly gap: boolean;
  /** How many rows the server had no room for. */
  readonly lost: number;
  /** Whether the latest events before the tail was opened are there. */
  readonly loaded: boolean;
  /** Why the latest events could not be loaded. */
  readonly failure: ApiFailure | undefined;
  hold(): void;
  release(): void;
  clear(): void;
}

export interface Source {
  readonly open: OpenTail;
  /** Return the latest events. */
  readonly latest: (signal: AbortSignal) => Promise<readonly ProjectEvent[]>;
  /** Return a record of the stream as an event. */
  readonly read: (data: any) => ProjectEvent;
  readonly matches: (event: ProjectEvent) => boolean;
}

/** Follow a tail. It begins anew whenever `key` changes. */
export function useTail(key: string, source: Source): Tail {
  const [, render] = useReducer((count: number, _: void) => count + 1, 0);
  const current = useRef<Omit<Tail, "hold" | "release" | "clear" | "rows" | "waiting" | "dropped">>(NEW);
  const buffer = useRef(new TailBuffer<ProjectEvent>(MAX_ROWS)).current;

  useEffect(() => {
    buffer.clear();
    current.current = NEW;
    render();
    const ended = new AbortController();
    let arrived: ProjectEvent[] = [];
    let received = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const change = (changes: Partial<typeof current.current>) => {
      if (ended.signal.aborted) return;
      current.current = { ...current.current, ...changes };
      render();
    };
    const show = () => {
      timer = undefined;
      buffer.add(arrived);
      arrived = [];
      render();
    };
    const load = () => {
      source.latest(ended.signal).then(
        (events) => {
          if (ended.signal.aborted) return;
          buffer.add(events.filter(source.matches));
          change({ loaded: true, failure: undefined });
        },
        (error) => change({ failure: asFailure(error) }),
      );
    };
    const stop = followTail(source.open, {
      opened() {
        // The stream is open before the latest events are read, so nothing is missed in between.
        if (!received) load();
      },
      record(data) {
        const event = source.read(data);
        received = true;
        if (!source.matches(event)) return;
        arrived.push(event);
        timer ??= setTimeout(show, SHOW_EVERY_MS);
      },
      reset: () => change({ gap: true }),
      lost: (count) => change({ lost: current.current.lost + count }),
      state(state, refusal) {
        change({ state, refusal });
        if (state === "reconnecting" && !current.current.loaded) load(); // the log can be read all the same
      },
    });
    return () => {
      ended.abort();
      stop();
      clearTimeout(timer);
    };
  }, [key]);

  const act = (action: () => void) => () => {
    const [before, held] = [buffer.rows, buffer.held];
    action();
    if (buffer.rows !== before || buffer.held !== held) render();
  };
  return {
    ...current.current,
    rows: buffer.rows,
    waiting: buffer.waiting,
    dropped: buffer.dropped,
    hold: act(() => buffer.hold()),
    release: act(() => buffer.release()),
    clear: act(() => buffer.clear()),
  };
}

const NEW = { state: "connecting" as TailState, refusal: undefined, gap: false, lost: 0, loaded: false, failure: undefined as ApiFailure | undefined };
