import { InboxClient } from "../client/index.ts";
import type { Client, ClientOptions } from "../client/types.ts";

/** A client that elements with the same credentials share. It is closed when the last of them has left the page. */
export interface Session {
  readonly client: Client;
  options: ClientOptions;
  key: string;
  elements: number;
}

const sessions = new Map<string, Session>();
const functions: unknown[] = []; // they have no text to compare

function keyOf({ getToken, ...rest }: ClientOptions): string {
  if (getToken && !functions.includes(getToken)) functions.push(getToken);
  return JSON.stringify([rest, functions.indexOf(getToken)]);
}

/** Return a session with these options. Call `leave` afterwards. Throws TypeError for options that cannot work. */
export function join(options: ClientOptions): Session {
  const key = keyOf(options);
  const session = sessions.get(key) ?? { key, options, client: new InboxClient(options), elements: 0 };
  session.elements++;
  sessions.set(key, session);
  return session;
}

/** Return whether a session has these options, or all but the token, which it then uses from now on. */
export function serves(session: Session, options: ClientOptions): boolean {
  const key = keyOf(options);
  if (key === session.key) return true;
  const { token } = options;
  if (!token || sessions.has(key) || keyOf({ ...session.options, token }) !== key) return false;
  sessions.delete(session.key);
  sessions.set(key, Object.assign(session, { key, options }));
  session.client.renew(token);
  session.client.connect(); // if it had ended
  return true;
}

export function leave(session: Session): void {
  if (--session.elements) return;
  sessions.delete(session.key);
  session.client.close();
}
