/**
 * The visit of this browser: two people of the demo project, who belong to nobody else, and two devices each.
 *
 * The gateway signs them in by a cookie that no script can read, and issues tokens for ten minutes. So no page of the
 * demo has a secret, and no address either.
 */

const OPERATIONS = new URL(/\/demo$/.test(location.pathname) ? "demo/api/" : "api/", location.href);

/** Call an operation of the demo, and return its response. Throws an error whose message is for people. */
export async function call(operation, body = {}) {
  let response;
  try {
    response = await fetch(new URL(operation, OPERATIONS), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("the gateway cannot be reached");
  }
  const answer = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new Error(answer.errors?.map(({ message }) => message).join("; ") || `HTTP ${response.status}`);
  throw Object.assign(error, { status: response.status, retryAfter: Number(response.headers.get("Retry-After")) });
}

/** Begin or continue the visit. Return `{people, devices, can_restart}`. */
export const beginVisit = () => call("visits");

/** Return a new token of a device. */
export const tokenOf = async (device) => (await call("tokens", { device })).token;
