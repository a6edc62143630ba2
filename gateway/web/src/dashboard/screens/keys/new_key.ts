/** A public key as people paste it. */

/** Return a pasted key as the API takes it. Raises Error for what is neither a JWK nor a PEM. */
export function newKey(text: string, kid: string): object {
  const named = kid.trim() ? { kid: kid.trim() } : {};
  if (text.includes("-----BEGIN")) return { pem: text.trim(), ...named };
  const value: unknown = JSON.parse(text);
  const jwk = Array.isArray((value as { keys?: unknown[] }).keys) ? (value as { keys: unknown[] }).keys[0] : value;
  if (typeof jwk !== "object" || jwk === null || !("kty" in jwk)) throw new SyntaxError("no key");
  return { ...jwk, ...named };
}
