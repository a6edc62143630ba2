/** The filters of the live tail. */

import { t } from "../../core/text.ts";
import type { Filters } from "../../core/url_state.ts";
import { FilterBar, FilterSelect, SearchField } from "../../kit/filters.tsx";
import { channelName } from "../../core/channels.ts";
import { CONNECTION_TYPES } from "./connections.ts";
import { TYPES } from "./types.ts";

const CHANNELS = ["in_app", "email", "mobile_push", "web_push", "slack", "teams", "sms", "webhook"];

export interface TailFiltersProps {
  readonly filters: Filters<"type" | "user" | "channel">;
  /** Whether connections are shown, and not events. */
  readonly connections: boolean;
}

export function TailFilters({ filters, connections }: TailFiltersProps) {
  const { values, set } = filters;
  const names = connections ? CONNECTION_TYPES : TYPES;
  const types = [{ value: "", label: t("All types") }, ...names.map((type) => ({ value: type, label: connections ? `connection.${type}` : type }))];
  const channels = [{ value: "", label: t("All channels") }, ...CHANNELS.map((channel) => ({ value: channel, label: channelName(channel) }))];
  return (
    <FilterBar filters={filters}>
      <SearchField
        label={connections ? t("User: id") : t("User: id, external_id:… or email:…")}
        value={values.user}
        onValue={(user) => set("user", user)}
        mono
      />
      <FilterSelect label={t("Type")} value={values.type} onValue={(type) => set("type", type)} options={types} />
      {!connections && <FilterSelect label={t("Channel")} value={values.channel} onValue={(channel) => set("channel", channel)} options={channels} />}
    </FilterBar>
  );
}
