/** The screen that the address names. While the next one is loaded, the present one stays. */

import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary, useState } from "preact/hooks";
import { asFailure } from "../core/failure.ts";
import { useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { Page } from "../kit/page.tsx";
import { Empty, Failure, NoPermission } from "../kit/states.tsx";
import { Button } from "../kit/button.tsx";
import type { Screen, ScreenProps } from "../screens.ts";
import type { Found } from "./routes.ts";

const loaded = new Map<Screen, ComponentType<ScreenProps>>();

/** The screen, or why there is none. */
export function ScreenView({ found }: { found: Found | null }) {
  const { can, project } = useSession();
  if (!found || (found.area === "project" && !project)) return <Missing />;
  if (!can(found.screen.role)) {
    return (
      <Page title={found.screen.title()}>
        <NoPermission />
      </Page>
    );
  }
  return <Boundary key={`${found.projectId} ${found.screen.path}`} found={found} />;
}

function Missing() {
  return (
    <Page title={t("Not found")}>
      <Empty icon="search" title={t("There is no such page")} action={<Button href=".">{t("Go to the start")}</Button>}>
        {t("It may have been removed, or your role does not include it.")}
      </Empty>
    </Page>
  );
}

function Boundary({ found }: { found: Found }) {
  const [error, reset] = useErrorBoundary();
  if (error) return <Page title={found.screen.title()}><Failure what={t("This page failed")} error={asFailure(error)} retry={reset} /></Page>;
  return <LazyScreen found={found} />;
}

function LazyScreen({ found: { screen, projectId, rest } }: { found: Found }) {
  const [, render] = useState(0);
  const [failure, setFailure] = useState<unknown>();
  const Component = loaded.get(screen);

  function load(): void {
    setFailure(undefined);
    screen.load().then(
      ({ default: component }) => {
        loaded.set(screen, component);
        render((count) => count + 1);
      },
      (error: unknown) => setFailure(error),
    );
  }

  useEffect(() => {
    if (!Component) load();
  }, [screen]);
  if (failure) return <Failure what={t("This page could not be loaded")} error={asFailure(failure)} retry={() => location.reload()} />;
  return Component ? <Component projectId={projectId} rest={rest} /> : null;
}
