/**
 * The network of this device, which can be cut.
 *
 * Every WebSocket and request of the page goes through it. To the page, a cut ends what is open without a closing
 * handshake; then everything is refused until `restore`. The browser's own state of the network says the same.
 */

const RealWebSocket = globalThis.WebSocket;
const realFetch = globalThis.fetch;

const sockets = new Set();
let cutting = new AbortController();
let isCut = false;

class CutSocket extends EventTarget {
  readyState = 3;

  constructor() {
    super();
    setTimeout(() => this.dispatchEvent(new CloseEvent("close", { code: 1006 })));
  }

  dispatchEvent(event) {
    this[`on${event.type}`]?.(event);
    return super.dispatchEvent(event);
  }

  send() {}

  close() {}
}

globalThis.WebSocket = new Proxy(RealWebSocket, {
  construct(target, parameters) {
    if (isCut) return new CutSocket();
    const socket = Reflect.construct(target, parameters);
    sockets.add(socket);
    socket.addEventListener("close", () => sockets.delete(socket));
    return socket;
  },
});

globalThis.fetch = async (resource, options = {}) => {
  if (isCut) throw new TypeError("the network is cut");
  const signals = [options.signal, cutting.signal].filter(Boolean);
  return realFetch(resource, { ...options, signal: AbortSignal.any(signals) });
};

Object.defineProperty(navigator, "onLine", { configurable: true, get: () => !isCut });

export function cut() {
  if (isCut) return;
  isCut = true;
  for (const socket of sockets) {
    socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
    socket.close();
  }
  sockets.clear();
  cutting.abort(new TypeError("the network is cut"));
  dispatchEvent(new Event("offline"));
}

export function restore() {
  if (!isCut) return;
  isCut = false;
  cutting = new AbortController();
  dispatchEvent(new Event("online"));
}
