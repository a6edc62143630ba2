/** How a backend signs a user, in the languages of docs/bell/signing.md. The secret comes from the environment. */

export const LANGUAGES = ["Python", "Node", "Ruby", "PHP", "Go", "Java"] as const;

export type Language = (typeof LANGUAGES)[number];

const json = (text: string) => JSON.stringify(text);
const single = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;

const SNIPPETS: Readonly<Record<Language, (user: string) => string>> = {
  Python: (user) => `import base64, hashlib, hmac, os

user = ${json(user)}  # the user of the session
signature = hmac.digest(os.environ["API_SECRET"].encode(), user.encode(), hashlib.sha256)
user_hmac = base64.b64encode(signature).decode()`,
  Node: (user) => `import { createHmac } from "node:crypto";

const user = ${json(user)}; // the user of the session
const userHmac = createHmac("sha256", process.env.API_SECRET).update(user).digest("base64");`,
  Ruby: (user) => `require "openssl"

user = ${single(user)} # the user of the session
user_hmac = [OpenSSL::HMAC.digest("SHA256", ENV.fetch("API_SECRET"), user)].pack("m0")`,
  PHP: (user) => `$user = ${single(user)}; // the user of the session
$userHmac = base64_encode(hash_hmac('sha256', $user, getenv('API_SECRET'), binary: true));`,
  Go: (user) => `user := ${json(user)} // the user of the session
signature := hmac.New(sha256.New, []byte(os.Getenv("API_SECRET")))
signature.Write([]byte(user))
userHmac := base64.StdEncoding.EncodeToString(signature.Sum(nil))`,
  Java: (user) => `String user = ${json(user)}; // the user of the session
Mac mac = Mac.getInstance("HmacSHA256");
mac.init(new SecretKeySpec(System.getenv("API_SECRET").getBytes(UTF_8), "HmacSHA256"));
String userHmac = Base64.getEncoder().encodeToString(mac.doFinal(user.getBytes(UTF_8)));`,
};

/** Return the code that signs a user. Emails are signed in lower case. */
export function signingCode(language: Language, user: string): string {
  return SNIPPETS[language](user.includes("@") ? user.trim().toLowerCase() : user);
}

/** Return the markup of the bell for a user, with the place of the signature. */
export function bellMarkup(gateway: string, apiKey: string, user: string): string {
  const attribute = user.includes("@") ? "user-email" : "user-external-id";
  const escaped = user.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<script type="module" src="${gateway}/inbox-bell.js"></script>
<inbox-bell api-key="${apiKey}" ${attribute}="${escaped}" user-hmac="…"></inbox-bell>`;
}
