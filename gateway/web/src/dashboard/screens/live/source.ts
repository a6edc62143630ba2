/** Where the live tail gets its events from, and which of them it shows. */

import { data, gatewayAddress, projectApi, send } from "../../core/api.ts";
import type { paths } from "../../core/api_types.d.ts";
import { connectionEvent } from "./connections.ts";
import { channelOf } from "./event_text.ts";
import type { Source } from "./use_tail.ts";

type EventQuery = NonNullable<paths["/v2/events"]["get"]["parameters"]["query"]>;

/** How many events from before the tail was opened are shown. */
const LATEST = 100;

export interface TailFilter {
  readonly type: string;
  readonly user: string;
  readonly channel: string;
}

const streamOf = (projectId: string, path: string, selection: Record<string, string>) => {
  const query = new URLSearchParams(selection).toString();
  return `${gatewayAddress()}/admin/api/projects/${projectId}${path}${query && `?${query}`}`;
};

/** Return the source of a project's events. The server selects by type and user, this page by channel. */
export function eventsOf(projectId: string, { type, user, channel }: TailFilter): Source {
  const selection = { ...(type && { type }), ...(user && { user }) };
  const address = streamOf(projectId, "/v2/events/tail", selection);
  return {
    open: (lastId, signal) => send(new Request(address, { headers: lastId ? { "Last-Event-ID": lastId } : {}, signal })),
    async latest(signal) {
      const filter = { ...selection, limit: LATEST } as EventQuery; // the address may have a type that does not exist
      return (await data(projectApi(projectId).GET("/v2/events", { params: { query: filter }, signal }))).data;
    },
    read: (event) => event,
    matches: (event) => channel === "" || channelOf(event) === channel,
  };
}

/** Return the source of a project's connections: opened, closed and refused. Nothing is stored, so it begins now. */
export function connectionsOf(projectId: string, { type, user }: TailFilter): Source {
  const address = streamOf(projectId, "/v2/connections/tail", type ? { type } : {});
  return {
    open: (_, signal) => send(new Request(address, { signal })),
    latest: async () => [],
    read: connectionEvent,
    matches: ({ context }) => user === "" || context?.user_id === user,
  };
}
