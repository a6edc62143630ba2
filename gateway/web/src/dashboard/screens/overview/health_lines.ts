/** How the processes and the Redis servers are: one line each, with what deserves attention. */

import { bytes, duration, number, percent } from "../../core/format.ts";
import { plural, t } from "../../core/text.ts";

export interface GatewayNode {
  readonly id: string;
  readonly kind: string;
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: string;
  readonly connections: number;
  readonly loop_lag_ms: number;
  readonly redis_ms: number | null;
}

export interface RedisServer {
  readonly name: string;
  readonly problem: string | null;
  readonly version: string;
  readonly used_memory: number;
  readonly max_memory: number | null;
  readonly policy: string;
  readonly evicted_keys: number;
  readonly commands_per_second: number;
  readonly persistence: string;
  readonly saves_well: boolean;
}

export interface Line {
  readonly id: string;
  readonly name: string;
  readonly detail: string;
  readonly figures: string;
  readonly tone: "ok" | "warning" | "danger";
  /** What deserves attention, "" if nothing does. */
  readonly problem: string;
}

/** From this delay on, users notice that an event loop is late. */
const LATE_MS = 250;
const FULL = 0.8;

/** Return the line of a process. */
export function nodeLine(node: GatewayNode): Line {
  const { id, kind, version, host, pid, connections, loop_lag_ms: lag, redis_ms: redis } = node;
  const problem =
    redis === null ? t("Redis did not answer its last report") : lag >= LATE_MS ? t("Its event loop was late by {time}", { time: duration(lag) }) : "";
  const counted = kind === "worker" ? plural(connections, "{n} connection", "{n} connections") : t("Delivers");
  return {
    id,
    name: kind === "worker" ? t("Worker") : t("Delivery worker"),
    detail: t("{host}, process {pid}, {version}", { host, pid, version }),
    figures: [counted, redis === null ? "" : t("Redis {time}", { time: duration(redis) })].filter(Boolean).join(" · "),
    tone: redis === null ? "danger" : problem ? "warning" : "ok",
    problem,
  };
}

/** Return the line of a Redis server. */
export function redisLine(server: RedisServer): Line {
  const { name, version, used_memory: used, max_memory: most, commands_per_second: commands } = server;
  const memory = most ? t("{used} of {most}", { used: bytes(used), most: bytes(most) }) : bytes(used);
  const [tone, problem] = verdict(server);
  return {
    id: name,
    name: version.startsWith("valkey") ? "Valkey" : "Redis",
    detail: [name, version.split(" ").at(-1)].filter(Boolean).join(", "),
    figures: server.problem === null ? t("{memory} · {n} commands/s", { memory, n: number(commands) }) : "",
    tone,
    problem,
  };
}

function verdict({ problem, saves_well: saves, evicted_keys: evicted, used_memory: used, max_memory: most, policy, persistence }: RedisServer): [Line["tone"], string] {
  if (problem !== null) return ["danger", problem];
  if (!saves) return ["danger", t("It cannot write to its disk: what happens now is lost at a restart")];
  if (evicted > 0) return ["danger", plural(evicted, "It has evicted {n} key to save memory", "It has evicted {n} keys to save memory")];
  if (policy !== "noeviction") return ["warning", t("Its policy is {policy}: it may drop data when its memory is full", { policy })];
  if (most && used / most >= FULL) return ["warning", t("Its memory is {share} full", { share: percent(used / most, 0) })];
  if (persistence === "none") return ["warning", t("It keeps nothing on disk")];
  return ["ok", ""];
}
