/** A refused request: `status`, the `errors` array of the response, and `retryAfterMs` if the server sent it. */
export class InboxError extends Error {
  constructor(status, errors, retryAfterMs) {
    super(errors.map(({ message }) => message).join("; ") || `HTTP ${status}`);
    this.name = "InboxError";
    this.status = status;
    this.errors = errors;
    this.code = errors[0]?.code;
    this.retryAfterMs = retryAfterMs;
  }

  static async from(response) {
    const body = await response.json().catch(() => null); // a proxy in between may respond with a page
    return new InboxError(response.status, body?.errors ?? [], retryAfterMs(response));
  }

  /** Whether the same credentials would be refused again. */
  get permanent() {
    return this.status === 401 || this.status === 403;
  }
}

function retryAfterMs(response) {
  const value = response.headers.get("Retry-After"); // seconds, or a date
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : undefined;
}
