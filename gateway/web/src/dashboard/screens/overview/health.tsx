/** The processes of the gateway, and its Redis servers. */

import { adminApi, data } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Card } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { type Line, nodeLine, redisLine } from "./health_lines.ts";

const EVERY_MS = 5000;

export function Health() {
  const query = useQuery("nodes", (signal) => data(adminApi().GET("/admin/api/nodes", { signal })), { everyMs: EVERY_MS });
  return (
    <Card title={t("Health")} flush>
      <Loaded query={query} what={t("The health could not be loaded")} skeleton={<div class="all-well"><Skeleton lines={3} height={24} /></div>}>
        {({ nodes, redis }) => (
          <ul class="health-list">
            {[...nodes.map(nodeLine), ...redis.map(redisLine)].map((line) => (
              <HealthRow key={line.id} line={line} />
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  );
}

function HealthRow({ line: { name, detail, figures, tone, problem } }: { line: Line }) {
  return (
    <li>
      <span class={`dot ${tone}`} role="img" aria-label={tone === "ok" ? t("Well") : t("Not well")} />
      <span class="what" title={detail}>
        <b>{name}</b> <span class="quiet">{problem || detail}</span>
      </span>
      <span class="figures">{figures}</span>
    </li>
  );
}
