/** The preferences of a user: which channels each category may use, and the topics. Editors can change the channels. */

import { useState } from "preact/hooks";
import type { components } from "../../core/api_types.d.ts";
import { data } from "../../core/api.ts";
import { asFailure } from "../../core/failure.ts";
import { announce, toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Badge } from "../../kit/badge.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Card } from "../../kit/page.tsx";
import { Empty, Loaded } from "../../kit/states.tsx";
import { Table } from "../../kit/table.tsx";
import { apiOf, type ProjectUser } from "./people.ts";

type Category = components["schemas"]["UserPreferenceCategory"];
type ChannelName = "in_app" | "mobile_push" | "web_push" | "email" | "slack" | "sms" | "teams";

const TOPICS_SHOWN = 100;

function channelLabel(name: string): string {
  const names: Record<string, string> = {
    in_app: t("Inbox"),
    email: t("Email"),
    mobile_push: t("Mobile push"),
    web_push: t("Web push"),
    sms: t("SMS"),
    slack: t("Slack"),
    teams: t("Microsoft Teams"),
  };
  return names[name] ?? name;
}

/** The tab. */
export function PreferencesTab({ projectId, user }: { projectId: string; user: ProjectUser }) {
  const api = apiOf(projectId, user);
  const found = useQuery(`${projectId} preferences ${user.id}`, (signal) => data(api.GET("/v2/channels/user_preferences", { signal })));
  const params = { query: { per_page: TOPICS_SHOWN, page: 1 } };
  const topics = useQuery(`${projectId} topics ${user.id}`, (signal) => data(api.GET("/subscriptions", { params, signal })));
  const call = { path: "/v2/channels/user_preferences", ...(user.external_id ? { user: user.external_id } : {}) };
  return (
    <div class="tab-content">
      <Card title={t("Channels by category")} text={t("Everything is on unless the user switches it off. A change applies to what is sent from now on.")} actions={<CopyCurl call={call} />}>
        <Loaded query={found} what={t("The preferences could not be loaded")}>
          {({ categories }) =>
            categories.length ? (
              <Grid categories={categories} projectId={projectId} user={user} onChange={found.refetch} />
            ) : (
              <Empty icon="settings" title={t("No categories yet")}>{t("A category appears here as soon as a notification of it is sent.")}</Empty>
            )
          }
        </Loaded>
      </Card>
      <Card title={t("Topics")} text={t("What the user has subscribed to, or unsubscribed from.")}>
        <Loaded query={topics} what={t("The topics could not be loaded")}>
          {({ subscriptions }) =>
            subscriptions.length ? (
              <Table
                label={t("Topics")}
                rows={subscriptions}
                rowKey={(row) => row.topic}
                columns={[
                  { title: t("Topic"), render: (row) => <code>{row.topic}</code> },
                  {
                    title: t("Categories"),
                    wrap: true,
                    render: (row) => (
                      <span class="badges">
                        {row.categories.map((each) => (
                          <Badge key={each.slug} tone={each.status === "subscribed" ? "ok" : "neutral"}>
                            {each.slug === "*" ? t("all") : each.slug}: {each.status === "subscribed" ? t("subscribed") : t("unsubscribed")}
                          </Badge>
                        ))}
                      </span>
                    ),
                  },
                ]}
              />
            ) : (
              <p class="quiet">{t("None. The user gets notifications of every topic.")}</p>
            )
          }
        </Loaded>
      </Card>
    </div>
  );
}

function Grid({ categories, projectId, user, onChange }: { categories: Category[]; projectId: string; user: ProjectUser; onChange: () => void }) {
  const can = useCan();
  const names = [...new Set(categories.flatMap(({ channels }) => channels.map(({ name }) => name)))];
  return (
    <div class="table-frame">
      <table class="table preferences">
        <caption class="hidden">{t("Channels by category")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("Category")}</th>
            {names.map((name) => (
              <th key={name} scope="col">
                {channelLabel(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {categories.map((category) => (
            <tr key={category.key}>
              <th scope="row">{category.label}</th>
              {names.map((name) => {
                const isOn = category.channels.find((each) => each.name === name)?.enabled ?? true;
                return (
                  <td key={name}>
                    {can("editor") ? (
                      <Toggle projectId={projectId} user={user} category={category} channel={name} isOn={isOn} onChange={onChange} />
                    ) : (
                      <span class={isOn ? "ok" : "quiet"}>
                        <Icon name={isOn ? "check" : "close"} />
                        <span class="hidden">{isOn ? t("on") : t("off")}</span>
                      </span>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ToggleProps {
  projectId: string;
  user: ProjectUser;
  category: Category;
  channel: string;
  isOn: boolean;
  onChange: () => void;
}

/** A switch that applies at once. It goes back if the gateway refuses the change. */
function Toggle({ projectId, user, category, channel, isOn, onChange }: ToggleProps) {
  const [wanted, want] = useState<boolean>();
  const label = t("{channel} for {category}", { channel: channelLabel(channel), category: category.label });

  async function change(enabled: boolean): Promise<void> {
    want(enabled);
    try {
      const body = { categories: [{ key: category.key, channels: [{ name: channel as ChannelName, enabled }] }] };
      await apiOf(projectId, user).PUT("/v2/channels/user_preferences", { body });
      announce(enabled ? t("{what} is on", { what: label }) : t("{what} is off", { what: label }));
      onChange();
    } catch (error) {
      want(undefined);
      toast(asFailure(error).message, "danger");
    }
  }

  return (
    <label class="switch cell-switch">
      <input type="checkbox" role="switch" aria-label={label} checked={wanted ?? isOn} onChange={(event) => void change(event.currentTarget.checked)} />
    </label>
  );
}
