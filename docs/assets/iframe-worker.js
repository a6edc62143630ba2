// The search of a page that was opened from a file. Browsers load no worker from a file, so its script runs in a hidden frame.
if (location.protocol === "file:") {
  // As between a page and a worker: later, and a copy.
  const deliver = (receiver, data) => {
    const copy = structuredClone(data);
    setTimeout(() => receiver()?.({ data: copy }));
  };

  window.Worker = class {
    #frame = document.createElement("iframe");
    #loaded;

    constructor(address) {
      this.#frame.hidden = true;
      document.body.append(this.#frame);
      const { contentDocument: page, contentWindow: scope } = this.#frame;
      scope.postMessage = (data) => deliver(() => this.onmessage, data);
      const script = page.createElement("script");
      script.src = new URL(address, location.href);
      this.#loaded = new Promise((resolve, reject) => {
        script.onload = resolve;
        script.onerror = reject;
      });
      this.#loaded.catch((error) => this.onerror?.(error));
      page.head.append(script);
    }

    postMessage(data) {
      this.#loaded.then(
        () => deliver(() => this.#frame.contentWindow?.onmessage, data),
        () => {},
      );
    }

    terminate() {
      this.#frame.remove();
    }
  };
}
