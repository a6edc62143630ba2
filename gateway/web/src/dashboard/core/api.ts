/**
 * The REST API of the gateway, typed by its own OpenAPI document.
 *
 *     const page = await data(projectApi("5").GET("/v2/users", { params: { query: { limit: 50 } } }));
 *
 * A request that fails raises `ApiFailure`. One without a session leads to the login page. One that needs the password
 * waits while the reader is asked for it, and is sent again.
 */

import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./api_types.d.ts";
import { ApiFailure, failureOf } from "./failure.ts";
import { basePath } from "./router.ts";

let askPassword: () => Promise<boolean> = async () => false;
let signedOut: () => void = () => {};

/** Set what happens when the password is needed (return whether it was given), and when there is no session. */
export function onRefusal(handlers: { confirm: () => Promise<boolean>; signedOut: () => void }): void {
  askPassword = handlers.confirm;
  signedOut = handlers.signedOut;
}

/** Send a request. Raises ApiFailure for every response but a success. */
export async function send(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await fetchOrFail(request);
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (failure.code === "confirmation_required" && (await askPassword())) {
    const second = await fetchOrFail(again);
    if (second.ok) return second;
    throw await failureOf(second);
  }
  if (failure.code === "session_needed") signedOut();
  throw failure;
}

async function fetchOrFail(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiFailure({ message: "The gateway cannot be reached", suggestion: "Check your connection, and whether the gateway runs." });
  }
}

/** Return the address of the gateway: the one in the page's, without "/admin/". */
export function gatewayAddress(): string {
  return new URL("..", new URL(basePath(), location.href)).href.replace(/\/$/, "");
}

const clients = new Map<string, Client<paths>>();

function client(address: string, headers: Record<string, string>): Client<paths> {
  const key = JSON.stringify([address, headers]);
  const known = clients.get(key) ?? createClient<paths>({ baseUrl: address, fetch: send, headers });
  clients.set(key, known);
  return known;
}

/** Return the client for operations of the instance, those below `/admin/api/`. */
export function adminApi(): Client<paths> {
  return client(gatewayAddress(), {});
}

/** Return the client for operations of a project, or of one of its users. Its paths are those of the documentation. */
export function projectApi(projectId: string, user?: { externalId: string } | { email: string }): Client<paths> {
  const headers: Record<string, string> = {};
  if (user && "externalId" in user) headers["X-MAGICBELL-USER-EXTERNAL-ID"] = user.externalId;
  else if (user) headers["X-MAGICBELL-USER-EMAIL"] = user.email;
  return client(`${gatewayAddress()}/admin/api/projects/${projectId}`, headers);
}

/** Return the body of a response. Raises ApiFailure. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  return (await call).data as NonNullable<T>;
}

/** Call an operation that the OpenAPI document has no types for. `path` is relative to the dashboard: "api/me". */
export async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method, signal: signal ?? null };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await send(new Request(new URL(path, new URL(basePath(), location.href)), init));
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}
