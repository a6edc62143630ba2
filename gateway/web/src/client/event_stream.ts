export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/**
 * An incremental parser of text/event-stream.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  /** How long to wait before reconnecting, if the server sent it. */
  retryMs: number | undefined;
  #unfinishedLine = "";
  #endedInCarriageReturn = false;
  #data: string[] = [];
  #event = "";
  #id = "";

  /** Parse the next piece of text, and return the events that it completes: `{event, data, id}`. */
  push(text: string): StreamEvent[] {
    if (text === "") return [];
    // A line ends in CR LF, LF or CR. A CR ends it at once; an LF at the start of the next piece is skipped.
    if (this.#endedInCarriageReturn && text.startsWith("\n")) text = text.slice(1);
    this.#endedInCarriageReturn = text.endsWith("\r");
    const lines = (this.#unfinishedLine + text).split(/\r\n|\n|\r/);
    this.#unfinishedLine = lines.pop() as string; // there is always one, maybe empty
    return lines.flatMap((line) => (line === "" ? this.#dispatch() : this.#readField(line)));
  }

  #readField(line: string): StreamEvent[] {
    const [, field = "", value = ""] = /^([^:]*)(?:: ?)?(.*)$/su.exec(line) ?? [];
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    return []; // a field completes no event, and neither does a comment, which is a field without a name
  }

  #dispatch(): StreamEvent[] {
    const complete = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#event = "";
    return hasData ? [complete] : [];
  }
}
