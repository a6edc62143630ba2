/** The sidebar: the project, its screens, and what belongs to the reader. On a phone it is a popover. */

import type { RefObject } from "preact";
import { navigate, usePlace } from "../core/router.ts";
import { allows, signOut, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { setTheme, type Theme, useTheme } from "../core/theme.ts";
import { Icon, type IconName } from "../kit/icons.tsx";
import { Menu } from "../kit/menu.tsx";
import { PROJECT_SCREENS, type Screen, SETTINGS_SCREENS } from "../screens.ts";
import { find } from "./routes.ts";

const THEMES: readonly { id: Theme; icon: IconName; label: () => string }[] = [
  { id: "system", icon: "screen", label: () => t("As the system") },
  { id: "light", icon: "sun", label: () => t("Light") },
  { id: "dark", icon: "moon", label: () => t("Dark") },
];

/** The sidebar. */
export function Sidebar({ popoverRef }: { popoverRef: RefObject<HTMLElement | null> }) {
  const { path } = usePlace();
  const { me, projects, project } = useSession();
  const found = find(path);
  const shownProject = project ?? projects[0];
  const role = shownProject?.role ?? me.role;
  return (
    <nav class="sidebar" ref={popoverRef} popover="auto" aria-label={t("Main")}>
      <ProjectSwitcher screen={found?.area === "project" ? found.screen : undefined} />
      <div class="links">
        {shownProject && <Links area={`projects/${shownProject.id}`} screens={PROJECT_SCREENS.filter((screen) => allows(role, screen.role))} here={found?.area === "project" ? found.screen : undefined} />}
        <h2>{t("Settings")}</h2>
        <Links area="settings" screens={SETTINGS_SCREENS.filter((screen) => allows(me.role, screen.role))} here={found?.area === "settings" ? found.screen : undefined} />
      </div>
      <Account />
    </nav>
  );
}

function Links({ area, screens, here }: { area: string; screens: readonly Screen[]; here: Screen | undefined }) {
  return (
    <ul>
      {screens.map((screen) => (
        <li key={screen.path}>
          <a href={`${area}/${screen.path}`} aria-current={screen === here ? "page" : undefined}>
            <Icon name={screen.icon} />
            {screen.title()}
          </a>
        </li>
      ))}
    </ul>
  );
}

function ProjectSwitcher({ screen }: { screen: Screen | undefined }) {
  const { projects, project } = useSession();
  const shown = project ?? projects[0];
  const path = (screen ?? PROJECT_SCREENS[0])?.path ?? "";
  const items = projects.map((each) => ({
    label: each.name,
    checked: each.id === shown?.id,
    onSelect: () => navigate(`projects/${each.id}/${path}`),
  }));
  return (
    <Menu label={t("Project: {name}", { name: shown?.name ?? t("none") })} items={items} class="switcher">
      <span class="avatar" aria-hidden="true">
        {(shown?.name ?? "?").slice(0, 1).toUpperCase()}
      </span>
      <span class="name">{shown?.name ?? t("No project")}</span>
      <Icon name="switch" />
    </Menu>
  );
}

function Account() {
  const { me } = useSession();
  const theme = useTheme();
  const items = [
    ...THEMES.map(({ id, icon, label }) => ({ label: label(), icon, checked: theme === id, onSelect: () => setTheme(id) })),
    { label: t("Profile"), icon: "user" as const, href: "settings/profile" },
    { label: t("Documentation of the API"), icon: "external" as const, href: "../docs" },
    { label: t("Sign out"), icon: "leave" as const, onSelect: () => void signOut() },
  ];
  return (
    <Menu label={t("Account of {name}", { name: me.admin.name || me.admin.email })} items={items} class="account">
      <span class="avatar round" aria-hidden="true">
        {(me.admin.name || me.admin.email).slice(0, 1).toUpperCase()}
      </span>
      <span class="name">
        {me.admin.name || me.admin.email}
        <span class="quiet small">{me.role}</span>
      </span>
    </Menu>
  );
}
