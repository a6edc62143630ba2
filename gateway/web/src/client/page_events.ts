/** What a stream must know of its page: whether there is a network, and whether the page runs. */
export interface PageListeners {
  online(): void;
  offline(): void;
  /** The page is seen again, or runs again: timers did not run meanwhile, or late. */
  resumed(): void;
  /** The page is left, or frozen. What it keeps open would keep it out of the browser's cache. */
  paused(): void;
}

/** Call the listeners until the signal aborts. Outside browsers, as in Node, nothing happens. */
export function watchPage({ online, offline, resumed, paused }: PageListeners, signal: AbortSignal): void {
  const { document, window } = globalThis;
  const listen = (target: EventTarget | undefined, type: string, listener: () => void) =>
    target?.addEventListener?.(type, listener, { signal });
  listen(window, "online", online);
  listen(window, "offline", offline);
  listen(document, "visibilitychange", () => document.hidden || resumed());
  listen(window, "pageshow", resumed);
  listen(document, "resume", resumed);
  listen(window, "pagehide", paused);
  listen(document, "freeze", paused);
}

export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false;
}
