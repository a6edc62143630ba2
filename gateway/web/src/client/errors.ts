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
    return new InboxError(response.status, body?.errors?.[0]?.message ? body.errors : [], response.headers);
  }

  /** Whether the gateway, and not a proxy on the way, would refuse the same credentials again. */
  get permanent(): boolean {
    return !!this.errors.length && (this.status === 401 || this.status === 403);
  }

  /** Whether the same request may succeed later. */
  get temporary(): boolean {
    return !this.errors.length || this.waits || this.status >= 500;
  }

  /** Whether only time helps: there was no response, or the gateway is busy. */
  get waits(): boolean {
    return [0, 408, 429, 503].includes(this.status);
  }
}

/** Return a message for developers, with what the gateway suggests. */
export function explained(error: Error): string {
  const { message, errors } = error as Partial<InboxError> & Error;
  return [message, errors?.[0]?.suggestion].filter(Boolean).join(". ");
}

function retryAfterMs(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(); // seconds, or a date
  return ms > 0 ? ms : undefined;
}
