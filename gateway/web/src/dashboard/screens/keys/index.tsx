/** Keys: with what backends, users and browsers prove who they are. */

import { adminApi, data } from "../../core/api.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { Page } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import type { ScreenProps } from "../../screens.ts";
import { AccessCard } from "./access_card.tsx";
import css from "./keys.css";
import { PublicKeysCard } from "./public_keys_card.tsx";
import { type ProjectKeys, SecretCard } from "./secret_card.tsx";
import { SigningCard } from "./signing_card.tsx";
import { TokensCard } from "./tokens_card.tsx";

export default function Keys({ projectId }: ScreenProps) {
  useStyles(css);
  const key = `${projectId} keys`;
  const query = useQuery(key, async (signal) =>
    data(adminApi().GET("/admin/api/projects/{project_id}", { params: { path: { project_id: projectId } }, signal })) as Promise<ProjectKeys>,
  );
  const changed = () => invalidate(key);
  return (
    <Page title={t("Keys")} text={t("How your backend, your users and your pages prove who they are.")} narrow>
      <Loaded query={query} what={t("The keys could not be loaded")} skeleton={<Skeleton lines={6} height={32} />}>
        {(project) => (
          <>
            <SecretCard project={project} onChange={changed} />
            <SigningCard apiKey={project.api_key} />
            <AccessCard project={project} onChange={changed} />
            <TokensCard projectId={projectId} />
            <PublicKeysCard projectId={projectId} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
