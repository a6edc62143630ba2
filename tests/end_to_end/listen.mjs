/** Report everything that happens to an EventSource. A browser runs this function too. */
export function listen(source, report) {
  const names = ["ready", "notifications/new", "reset", "goodbye", "error"];
  source.addEventListener("open", () => report({ name: "open", at: performance.now() }));
  source.addEventListener("error", (event) => {
    if (event.data === undefined) report({ name: "lost", closed: source.readyState === 2, at: performance.now() });
  });
  for (const name of names) {
    source.addEventListener(name, ({ data, lastEventId }) => {
      if (data !== undefined) report({ name, id: lastEventId, data, at: performance.now() });
    });
  }
}
