import type { InboxErrorShape } from "./types.ts";

/** A request that the gateway refused, or that failed on the way (`status` 0). */
export class InboxError extends Error implements InboxErrorShape {
  readonly status: number;
  readonly errors: InboxErrorShape["errors"];
  readonly code: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, errors: InboxErrorShape["errors"], headers?: Headers) {
    super(errors.map(({ message }) => message).join("; ") || `HTTP ${status}`);
    this.name = "InboxError";
    this.status = status;
    this.errors = errors;
    this.code = errors[0]?.code;
    this.retryAfterMs = retryAfterMs(headers?.get("Retry-After"));
    this.requestId = headers?.get("X-Request-Id") ?? undefined;
  }

  static async from(response: Response): Promise<InboxError> {
    const body = await response.json().catch(() => null); // a proxy in between may respond with a page
    return new InboxError(response.status, body?.errors ?? [], response.headers);
  }

  /** Whether the same credentials would be refused again. */
  get permanent(): boolean {
    return this.status === 401 || this.status === 403;
  }

  /** Whether the same request may succeed later. */
  get temporary(): boolean {
    return !this.status || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

function retryAfterMs(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(); // seconds, or a date
  return ms > 0 ? ms : undefined;
}
