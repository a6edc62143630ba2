/** Channels: a card for each provider by its state, its configuration, and a test. */

import { data, projectApi } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { useParam } from "../../core/url_state.ts";
import { CopyCurl } from "../../kit/copy.tsx";
import { Page } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import type { ScreenProps } from "../../screens.ts";
import { ProviderCard } from "./card.tsx";
import css from "./channels.css";
import { ConfigDrawer } from "./drawer.tsx";
import { groups, providers } from "./providers.ts";
import { type ChannelFacts, stateOf } from "./state.ts";
import { OutgoingWebhooks } from "./webhooks.tsx";

const AGAIN_MS = 15_000;
const FAILURES_READ = 100;

/** The screen. */
export default function Channels({ projectId }: ScreenProps) {
  useStyles(css);
  const [shown, show] = useParam("integration", { push: true });
  const api = projectApi(projectId);
  const facts = useQuery(
    `${projectId} channels`,
    async (signal): Promise<ChannelFacts> => {
      const [saved, lanes, failures] = await Promise.all([
        data(api.GET("/v2/integrations", { params: { query: { limit: 100 } }, signal })),
        data(api.GET("/v2/delivery/lanes", { signal })),
        data(api.GET("/v2/deliveries", { params: { query: { outcome: "failed", limit: FAILURES_READ } }, signal })),
      ]);
      return { saved: saved.data, lanes: lanes.data, failures: failures.data };
    },
    { everyMs: AGAIN_MS },
  );
  const all = providers();
  const provider = all.find(({ name }) => name === shown);
  return (
    <Page title={t("Channels")} text={t("How notifications reach people besides the inbox. The inbox itself needs no setup.")} actions={<CopyCurl call={{ path: "/v2/integrations" }} />}>
      <Loaded query={facts} what={t("The channels could not be loaded")} skeleton={<Skeleton lines={6} height={88} />}>
        {(found) => (
          <>
            {groups().map((group) => (
              <section key={group.id} class="channel-group" aria-label={group.title}>
                <div>
                  <h2>{group.title}</h2>
                  <p class="quiet">{group.text}</p>
                </div>
                <div class="cards">
                  {all
                    .filter((each) => each.group === group.id)
                    .map((each) => (
                      <ProviderCard key={each.name} projectId={projectId} provider={each} state={stateOf(each, found)} onChange={facts.refetch} />
                    ))}
                </div>
              </section>
            ))}
            {provider && <ConfigDrawer key={provider.name} projectId={projectId} provider={provider} state={stateOf(provider, found)} onClose={() => show(null)} onChange={facts.refetch} />}
          </>
        )}
      </Loaded>
      <OutgoingWebhooks projectId={projectId} />
    </Page>
  );
}
