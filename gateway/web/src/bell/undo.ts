import { focused, h } from "./dom.ts";
import { type Icon, icon } from "./icons.ts";

const SHOWN_MS = 5000;

/** A bar that says what happened and offers to undo it. */
export interface UndoBar {
  readonly element: HTMLElement;
  /** Show one message, and end the one before. `done` is called when it can no longer be undone. */
  show(symbol: Icon, message: string, undo?: readonly [label: string, run: () => void], done?: () => void): void;
  /** Undo what is shown. Returns whether there was anything. */
  undo(): boolean;
  /** Hide the bar. */
  end(): void;
}

/**
 * Create a bar. Its time stops while the pointer or the focus is on it. `leave` moves the focus elsewhere.
 *
 * The element around it is always there, so that screen readers see a status change.
 */
export function undoBar(leave: () => void): UndoBar {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let undo: (() => void) | undefined;
  let done: (() => void) | undefined;
  const stop = () => clearTimeout(timer);
  const run = () => {
    stop();
    timer = setTimeout(end, SHOWN_MS);
  };
  const shown = h("div", {
    part: "undo",
    hidden: true,
    pointerenter: stop,
    focusin: stop,
    pointerleave: run,
    focusout: run,
  });
  function end() {
    stop();
    if (shown.contains(focused(shown))) leave();
    shown.hidden = true;
    const ended = done;
    undo = done = undefined;
    ended?.();
  }
  const bar: UndoBar = {
    element: h("div", { role: "status" }, shown),
    show(symbol, message, action, finish) {
      end();
      undo = action?.[1];
      done = finish;
      shown.replaceChildren(
        icon(symbol),
        h("span", {}, message),
        (action && h("button", { part: "undo-button", click: bar.undo }, action[0])) ?? "",
      );
      shown.hidden = false;
      run();
    },
    undo() {
      const back = undo;
      done = undefined;
      end();
      back?.();
      return back !== undefined;
    },
    end,
  };
  return bar;
}
