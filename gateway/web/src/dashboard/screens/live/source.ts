/** Where the live tail gets its events from, and which of them it shows. */

import { data, gatewayAddress, projectApi, send } from "../../core/api.ts";
import type { paths } from "../../core/api_types.d.ts";
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

/** Return the source of a project's events. The server selects by type and user, this page by channel. */
export function sourceOf(projectId: string, { type, user, channel }: TailFilter): Source {
  const selection = { ...(type && { type }), ...(user && { user }) };
  const query = new URLSearchParams(selection).toString();
  const address = `${gatewayAddress()}/admin/api/projects/${projectId}/v2/events/tail${query && `?${query}`}`;
  return {
    open: (lastId, signal) => send(new Request(address, { headers: lastId ? { "Last-Event-ID": lastId } : {}, signal })),
    async latest(signal) {
      const filter = { ...selection, limit: LATEST } as EventQuery; // the address may have a type that does not exist
      return (await data(projectApi(projectId).GET("/v2/events", { params: { query: filter }, signal }))).data;
    },
    matches: (event) => channel === "" || channelOf(event) === channel,
  };
}
