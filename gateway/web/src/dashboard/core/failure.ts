/** Why a request failed, as the gateway says it. */

interface Problem {
  code?: string | null;
  message?: string;
  suggestion?: string | null;
}

interface Details {
  message: string;
  suggestion?: string;
  code?: string;
  status?: number;
  requestId?: string;
  fields?: Record<string, string>;
  retryAfterSeconds?: number;
}

/** A failed request. `status` is 0 if there was no response. `fields` has the message for each field that it names. */
export class ApiFailure extends Error {
  readonly suggestion: string;
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly retryAfterSeconds: number | null;

  constructor({ message, suggestion = "", code = "", status = 0, requestId = "", fields = {}, retryAfterSeconds }: Details) {
    super(message);
    this.name = "ApiFailure";
    this.suggestion = suggestion;
    this.code = code;
    this.status = status;
    this.requestId = requestId;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds ?? null;
  }
}

const FIELD = /^Param '([^']+)' (.+)$/;

/** Return the failure that a response describes in its `errors`. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const problems = await problemsIn(response);
  const fields: Record<string, string> = {};
  for (const { message = "" } of problems) {
    const [, name, text] = FIELD.exec(message) ?? [];
    if (name && text) fields[name] ??= text.charAt(0).toUpperCase() + text.slice(1);
  }
  const first = problems[0] ?? {};
  const retry = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ApiFailure({
    message: problems.map(({ message }) => message).filter(Boolean).join(". ") || `The gateway responded with ${response.status}`,
    suggestion: first.suggestion ?? "",
    code: first.code ?? "",
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? "",
    fields,
    ...(Number.isNaN(retry) ? {} : { retryAfterSeconds: retry }),
  });
}

async function problemsIn(response: Response): Promise<Problem[]> {
  try {
    const body: unknown = await response.json();
    const errors = (body as { errors?: unknown }).errors;
    return Array.isArray(errors) ? (errors as Problem[]) : [];
  } catch {
    return []; // a proxy's page
  }
}

/** Return any error as a failure. */
export function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure({ message: error instanceof Error ? error.message : String(error) });
}
