import type { Client } from "../client/types.ts";

/** What `GET /config` says about the user's inbox, as far as the elements use it. */
export interface Config {
  /** `channel` names the project and the user. */
  readonly ws?: { readonly channel?: string };
  /** What the user, or else the project, has saved for the `inbox` integration. */
  readonly inbox?: {
    readonly theme?: object;
    readonly locale?: string;
    readonly images?: { readonly emptyInboxUrl?: string };
  };
  /** Whether the project has set up a channel, so that notifications can reach the user there. */
  readonly channels?: { readonly [channel: string]: { readonly enabled?: boolean } | undefined };
}

const known = new WeakMap<Client, Promise<Config>>();

/** Return the configuration of a client's user. It is fetched once; one that cannot be fetched is empty. */
export function configOf(client: Client): Promise<Config> {
  let found = known.get(client);
  if (!found) known.set(client, (found = fetched(client)));
  return found;
}

async function fetched(client: Client): Promise<Config> {
  try {
    return (await (await client.request("GET", "/config")).json()) as Config;
  } catch {
    known.delete(client); // the next element asks again
    return {};
  }
}
