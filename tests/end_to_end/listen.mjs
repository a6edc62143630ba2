/** Say all that an EventSource notices; a browser gets this function too. */
export function listen(source, say) {
  const names = ["ready", "notifications/new", "reset", "goodbye", "error"];
  source.addEventListener("open", () => say({ name: "open", at: performance.now() }));
  source.addEventListener("error", (event) => {
    if (event.data === undefined) say({ name: "lost", closed: source.readyState === 2, at: performance.now() });
  });
  for (const name of names) {
    source.addEventListener(name, ({ data, lastEventId }) => {
      if (data !== undefined) say({ name, id: lastEventId, data, at: performance.now() });
    });
  }
}
