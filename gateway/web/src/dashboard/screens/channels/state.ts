/** How far a provider is: not configured, working, failing, or stopped. */

import type { components } from "../../core/api_types.d.ts";
import type { ProviderInfo } from "./providers.ts";

type Lane = components["schemas"]["DeliveryLane"];
type Delivery = components["schemas"]["DeliveryAnswer"];

export interface ChannelFacts {
  saved: { id: string; name: string; config: unknown }[];
  lanes: Lane[];
  failures: Delivery[];
}

export interface ProviderState {
  kind: "unused" | "works" | "failing" | "stopped";
  /** The saved configuration with its secrets redacted, undefined without one. */
  config: unknown;
  /** The id of the configuration, "" without one. */
  id: string;
  lane: Lane | undefined;
  lastFailure: Delivery | undefined;
}

/** Return the state of a provider. What is not configured has none, whatever its lane does. */
export function stateOf(provider: ProviderInfo, { saved, lanes, failures }: ChannelFacts): ProviderState {
  const found = saved.find(({ name }) => name === provider.name);
  const lane = lanes.find((each) => each.lane === provider.lane);
  const lastFailure = failures.find((each) => each.provider === provider.name);
  const isUsed = found !== undefined || (provider.ready === true && (lane !== undefined || lastFailure !== undefined));
  const kind = !isUsed ? "unused" : lane?.state === "parked" ? "stopped" : lane?.state === "failing" ? "failing" : "works";
  return { kind, config: found?.config, id: found?.id ?? "", lane: isUsed ? lane : undefined, lastFailure };
}
