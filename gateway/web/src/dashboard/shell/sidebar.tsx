/** The sidebar: the project, its screens, and what belongs to the reader. On a phone it is a popover. */

import type { RefObject } from "preact";
import { navigate, usePlace } from "../core/router.ts";
import { allows, signOut, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { setTheme, type Theme, useTheme } from "../core/theme.ts";
import { Icon, type IconName } from "../kit/icons.tsx";
import { Menu } from "../kit/menu.tsx";
import { PROJECT_SCREENS, type Screen } from "../screens.ts";
import { useScreens } from "./commands.tsx";
import { find } from "./routes.ts";

const THEMES: readonly { id: Theme; icon: IconName; label: () => string }[] = [
  { id: "system", icon: "screen", label: () => t("System theme") },
  { id: "light", icon: "sun", label: () => t("Light theme") },
  { id: "dark", icon: "moon", label: () => t("Dark theme") },
];

/** The sidebar. */
export function Sidebar({ popoverRef }: { popoverRef: RefObject<HTMLElement | null> }) {
  const { path } = usePlace();
  const { project, screens, settings } = useScreens();
  const found = find(path);
  return (
    <nav class="sidebar" ref={popoverRef} popover="auto" aria-label={t("Main")}>
      <ProjectSwitcher screen={found?.area === "project" ? found.screen : undefined} />
      <div class="links">
        {project && <Links area={`projects/${project.id}`} screens={screens} here={found?.screen} />}
        <h2>{t("Settings")}</h2>
        <Links area="settings" screens={settings} here={found?.screen} />
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
  const { me, projects } = useSession();
  const { project: shown } = useScreens();
  const path = (screen ?? PROJECT_SCREENS[0])?.path ?? "";
  const items = projects.map((each) => ({
    label: each.name,
    checked: each.id === shown?.id,
    onSelect: () => navigate(`projects/${each.id}/${path}`),
  }));
  const more = allows(me.role, "admin") ? [{ label: t("New project"), icon: "plus" as const, href: "settings/projects?new=1" }] : [];
  return (
    <Menu label={t("Project: {name}", { name: shown?.name ?? t("none") })} items={[...items, ...more]} class="switcher">
      <span class="avatar" aria-hidden="true" data-letter={(shown?.name ?? "?").slice(0, 1).toUpperCase()} />
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
    { label: t("API documentation"), icon: "external" as const, href: "../docs" },
    { label: t("Sign out"), icon: "leave" as const, onSelect: () => void signOut() },
  ];
  return (
    <Menu label={t("Account of {name} {role}", { name: me.admin.name || me.admin.email, role: me.role })} items={items} class="account">
      <span class="avatar round" aria-hidden="true" data-letter={(me.admin.name || me.admin.email).slice(0, 1).toUpperCase()} />
      <span class="name">
        {me.admin.name || me.admin.email}{" "}
        <span class="quiet small">{me.role}</span>
      </span>
    </Menu>
  );
}
