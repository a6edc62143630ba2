/** The frame around every screen: the sidebar, the bar at the top, and the screen that the address names. */

import { useEffect, useRef } from "preact/hooks";
import { lastProject, rememberProject } from "../core/last_project.ts";
import { navigate, usePlace } from "../core/router.ts";
import { useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { IconButton } from "../kit/button.tsx";
import { Icon } from "../kit/icons.tsx";
import { PROJECT_SCREENS, SETTINGS_SCREENS } from "../screens.ts";
import { Commands } from "./commands.tsx";
import { FirstProject } from "./first_project.tsx";
import { find } from "./routes.ts";
import { ScreenView } from "./screen_view.tsx";
import { Sidebar } from "./sidebar.tsx";

/** The shell. */
export function Shell() {
  const { path } = usePlace();
  const { projects, project } = useSession();
  const sidebar = useRef<HTMLElement>(null);
  const found = find(path);

  useEffect(() => {
    const first = projects.find(({ id }) => id === lastProject()) ?? projects[0];
    if (path === "" && first && PROJECT_SCREENS[0]) navigate(`projects/${first.id}/${PROJECT_SCREENS[0].path}`, { replace: true });
    else if (path === "" && projects.length) navigate(`settings/${SETTINGS_SCREENS[0]?.path}`, { replace: true });
    if (/^projects\/\d+$/.test(path) && PROJECT_SCREENS[0]) navigate(`${path}/${PROJECT_SCREENS[0].path}`, { replace: true });
    if (path === "settings") navigate(`settings/${SETTINGS_SCREENS[0]?.path}`, { replace: true });
    sidebar.current?.hidePopover?.();
  }, [path]);

  useEffect(() => {
    if (project) rememberProject(project.id);
  }, [project?.id]);

  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skip}>
        {t("Skip to the content")}
      </a>
      <Sidebar popoverRef={sidebar} />
      <div class="column">
        <header class="top">
          <IconButton icon="menu" label={t("Menu")} class="menu-button" onClick={() => sidebar.current?.togglePopover?.()} />
          <nav aria-label={t("Breadcrumb")}>
            <span class="crumb">{found?.area === "settings" ? t("Settings") : (project?.name ?? t("Inbox gateway"))}</span>
            {found && (
              <>
                <Icon name="right" size={12} />
                <span class="crumb here">{found.screen.title()}</span>
              </>
            )}
          </nav>
          <Commands />
        </header>
        <main id="main" tabIndex={-1}>
          {path === "" && projects.length === 0 ? <FirstProject /> : <ScreenView found={found} />}
        </main>
      </div>
    </div>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
