/** The command palette and the keys, with what they lead to. */

import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { data, projectApi } from "../core/api.ts";
import { lastProject } from "../core/last_project.ts";
import { navigate, usePlace } from "../core/router.ts";
import { allows, signOut, useSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { setTheme } from "../core/theme.ts";
import { Button } from "../kit/button.tsx";
import { Dialog } from "../kit/dialog.tsx";
import { Icon } from "../kit/icons.tsx";
import { KeyHint } from "../kit/page.tsx";
import type { Command, PaletteProps } from "../parts/palette.tsx";
import { PROJECT_SCREENS, type Screen, SETTINGS_SCREENS } from "../screens.ts";
import { useKeys } from "./keyboard.ts";

/** The key that is shown for shortcuts: Cmd on a Mac, Ctrl elsewhere. */
const MODIFIER = /mac|iphone|ipad/i.test(navigator.userAgent) ? "⌘" : "Ctrl";

/** Return the project whose screens are shown (the last one, if the address names none), and those screens and the ones of the settings that the role allows. */
export function useScreens() {
  const { me, projects, project } = useSession();
  const { path } = usePlace();
  const last = projects.find(({ id }) => id === lastProject()) ?? projects[0] ?? null;
  const shown = project ?? (path.startsWith("projects/") ? null : last);
  const allowed = (screens: readonly Screen[], role: typeof me.role) => screens.filter((screen) => allows(role, screen.role));
  return {
    project: shown,
    screens: shown ? allowed(PROJECT_SCREENS, shown.role) : [],
    settings: allowed(SETTINGS_SCREENS, me.role),
  };
}

function useCommands(): Command[] {
  const { projects } = useSession();
  const { project, screens, settings } = useScreens();
  const ofProject = screens.map((screen) => ({
    id: `screen-${screen.path}`,
    group: project?.name ?? "",
    label: screen.title(),
    icon: screen.icon,
    ...(screen.key ? { keys: `g ${screen.key}` } : {}),
    run: () => navigate(`projects/${project?.id}/${screen.path}`),
  }));
  const ofInstance = settings.map((screen) => ({
    id: `settings-${screen.path}`,
    group: t("Settings"),
    label: screen.title(),
    icon: screen.icon,
    run: () => navigate(`settings/${screen.path}`),
  }));
  const others = projects.slice(0, 200).map(({ id, name, workspace }) => ({
    id: `project-${id}`,
    group: t("Projects"),
    label: name,
    note: workspace.title,
    icon: "folder" as const,
    run: () => navigate(`projects/${id}/${PROJECT_SCREENS[0]?.path ?? ""}`),
  }));
  const actions = [
    { label: t("Light theme"), icon: "sun" as const, run: () => setTheme("light") },
    { label: t("Dark theme"), icon: "moon" as const, run: () => setTheme("dark") },
    { label: t("Theme of the system"), icon: "screen" as const, run: () => setTheme("system") },
    { label: t("Sign out"), icon: "leave" as const, run: () => void signOut() },
  ].map((action) => ({ ...action, id: `action-${action.icon}`, group: t("Actions") }));
  return [...ofProject, ...ofInstance, ...others, ...actions];
}

/** Return the users of a project whom a text names: by the id, the email, or a part of the name. */
async function findUsers(projectId: string, text: string, signal: AbortSignal): Promise<Command[]> {
  const page = await data(projectApi(projectId).GET("/v2/users", { params: { query: { query: text, limit: 5 } }, signal }));
  return page.data.map((user) => ({
    id: `user-${user.id}`,
    group: t("Users"),
    label: [user.first_name, user.last_name].filter(Boolean).join(" ") || user.external_id || user.email || user.id,
    note: user.email ?? user.external_id ?? "",
    icon: "user" as const,
    run: () => navigate(`projects/${projectId}/users/${user.id}`),
  }));
}

/** The button in the bar at the top, and the palette and the help when they are open. */
export function Commands() {
  const commands = useCommands();
  const { project, screens } = useScreens();
  const [Palette, setPalette] = useState<ComponentType<PaletteProps>>();
  const [open, setOpen] = useState<"palette" | "help" | null>(null);
  const hasUsers = screens.some(({ path }) => path === "users");

  async function openPalette(): Promise<void> {
    const { default: component } = await import("../parts/palette.tsx");
    setPalette(() => component);
    setOpen("palette");
  }

  useKeys({
    palette: () => void openPalette(),
    help: () => setOpen("help"),
    go: (key) => commands.find(({ keys }) => keys === `g ${key}`)?.run(),
  });

  return (
    <>
      <button type="button" class="button secondary finder" title={t("Search")} onClick={openPalette}>
        <Icon name="search" />
        <span>{t("Search")}</span>
        <KeyHint keys={`${MODIFIER} K`} />
      </button>
      {open === "palette" && Palette && (
        <Palette
          commands={commands}
          search={async (text, signal) => (project && hasUsers ? findUsers(project.id, text, signal) : [])}
          onClose={() => setOpen(null)}
        />
      )}
      {open === "help" && <Help commands={commands} onClose={() => setOpen(null)} />}
    </>
  );
}

function Help({ commands, onClose }: { commands: readonly Command[]; onClose: () => void }) {
  const general: [string, string][] = [
    [t("Search and commands"), `${MODIFIER} K`],
    [t("Search in a list"), "/"],
    [t("These keys"), "?"],
    [t("Close"), "Esc"],
  ];
  const screens = commands.filter(({ keys }) => keys).map(({ label, keys }): [string, string] => [label, keys ?? ""]);
  return (
    <Dialog title={t("Keys")} onClose={onClose} footer={<Button onClick={onClose}>{t("Close")}</Button>}>
      <dl class="key-list">
        {[...general, ...screens].map(([label, keys]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <KeyHint keys={keys} />
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
