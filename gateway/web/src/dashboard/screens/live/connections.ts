/** Events of connections in the form of project events. */

import { t } from "../../core/text.ts";
import type { ProjectEvent } from "./event_text.ts";

/** A record of `GET /v2/connections/tail`. */
export interface ConnectionRecord {
  readonly timestamp: string;
  /** `connection.opened`, `connection.closed` or `connection.refused`. */
  readonly type: string;
  readonly transport: string;
  readonly connection_id: string;
  readonly user_id: string | null;
  readonly code: string | null;
  readonly origin: string | null;
}

export const CONNECTION_TYPES = ["opened", "closed", "refused"];

const TRANSPORTS: Record<string, () => string> = {
  websocket: () => "WebSocket",
  sse: () => "SSE",
  sse_http10: () => t("SSE over HTTP/1.0"),
  long_poll: () => t("long polling"),
};

let number = 0;

/** Return a record as an event, with an id that sorts by time as those of events do. */
export function connectionEvent(record: ConnectionRecord): ProjectEvent {
  const { timestamp, type, transport, connection_id, user_id, code, origin } = record;
  const known = Object.entries({ transport, connection_id, user_id, code, origin }).filter(([, value]) => value !== null && value !== "");
  const time = Date.parse(timestamp).toString(16).padStart(12, "0");
  number += 1;
  return {
    id: `${time}-${number.toString(16).padStart(8, "0")}`,
    timestamp,
    type,
    level: type === "connection.refused" ? "warning" : "info",
    log: sentence(record),
    context: Object.fromEntries(known),
  };
}

function sentence({ type, transport, code, origin }: ConnectionRecord): string {
  const params = { transport: TRANSPORTS[transport]?.() ?? transport, code: code?.replaceAll("_", " ") ?? "?", origin: origin ?? "" };
  if (type === "connection.opened") return origin ? t("Connected by {transport} from {origin}", params) : t("Connected by {transport}", params);
  if (type === "connection.closed") return code === "client" ? t("Closed by the page") : t("Closed by the gateway: {code}", params);
  return origin ? t("Refused from {origin}: {code}", params) : t("Refused: {code}", params);
}
