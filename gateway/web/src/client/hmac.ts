/**
 * Return the user HMAC, base64(HMAC-SHA256(API secret, user id)), with which your backend proves a user's name.
 *
 * `userId` is the external id, or else the email in lower case. Compute it in your backend, where the API
 * secret is; this function is for demos and tests. It needs a secure origin (https or localhost).
 */
export async function userHmac(apiSecret: string, userId: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(apiSecret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(userId));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}
