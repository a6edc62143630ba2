/** The filters of the live tail. */

import { t } from "../../core/text.ts";
import type { Filters } from "../../core/url_state.ts";
import { FilterBar, FilterSelect, SearchField } from "../../kit/filters.tsx";
import { channelName } from "../../core/channels.ts";
import { TYPES } from "./types.ts";

const CHANNELS = ["in_app", "email", "mobile_push", "web_push", "slack", "teams", "sms", "webhook"];

export function TailFilters({ filters }: { filters: Filters<"type" | "user" | "channel"> }) {
  const { values, set } = filters;
  const types = [{ value: "", label: t("All types") }, ...TYPES.map((type) => ({ value: type, label: type }))];
  const channels = [{ value: "", label: t("All channels") }, ...CHANNELS.map((channel) => ({ value: channel, label: channelName(channel) }))];
  return (
    <FilterBar filters={filters}>
      <SearchField label={t("User: id, external_id:… or email:…")} value={values.user} onValue={(user) => set("user", user)} mono />
      <FilterSelect label={t("Type")} value={values.type} onValue={(type) => set("type", type)} options={types} />
      <FilterSelect label={t("Channel")} value={values.channel} onValue={(channel) => set("channel", channel)} options={channels} />
    </FilterBar>
  );
}
