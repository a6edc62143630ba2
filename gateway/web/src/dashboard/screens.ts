/**
 * The screens, in the order of the sidebar. Each is loaded when it is shown.
 *
 * `path` is relative to `projects/ID/` for a screen of a project, and to `settings/` for one of the instance. A screen
 * also gets the addresses below its path: `rest` has what follows.
 */

import type { ComponentType } from "preact";
import type { Role } from "./core/session.ts";
import { t } from "./core/text.ts";
import type { IconName } from "./kit/icons.tsx";

/** What a screen is rendered with. `rest` has the parts of the path below that of the screen. */
export interface ScreenProps {
  projectId: string;
  rest: string[];
}

export interface Screen {
  path: string;
  title: () => string;
  icon: IconName;
  /** The lowest role that may enter. */
  role: Role;
  /** The key that leads to it after "g". */
  key?: string;
  load: () => Promise<{ default: ComponentType<ScreenProps> }>;
}

/** The screens of a project. */
export const PROJECT_SCREENS: readonly Screen[] = [
  { path: "overview", title: () => t("Overview"), icon: "overview", role: "viewer", key: "o", load: () => import("./screens/overview/index.tsx") },
  { path: "compose", title: () => t("Compose"), icon: "compose", role: "editor", key: "c", load: () => import("./screens/compose/index.tsx") },
  { path: "notifications", title: () => t("Notifications"), icon: "bell", role: "viewer", key: "n", load: () => import("./screens/notifications/index.tsx") },
  { path: "broadcasts", title: () => t("Broadcasts"), icon: "broadcast", role: "viewer", key: "b", load: () => import("./screens/broadcasts/index.tsx") },
  { path: "users", title: () => t("Users"), icon: "users", role: "viewer", key: "u", load: () => import("./screens/users/index.tsx") },
  { path: "deliveries", title: () => t("Deliveries"), icon: "deliveries", role: "viewer", key: "d", load: () => import("./screens/deliveries/index.tsx") },
  { path: "live", title: () => t("Live"), icon: "live", role: "viewer", key: "l", load: () => import("./screens/live/index.tsx") },
  { path: "channels", title: () => t("Channels"), icon: "channels", role: "viewer", key: "h", load: () => import("./screens/channels/index.tsx") },
  { path: "design", title: () => t("Inbox design"), icon: "design", role: "viewer", key: "i", load: () => import("./screens/design/index.tsx") },
  { path: "keys", title: () => t("Keys"), icon: "keys", role: "admin", key: "k", load: () => import("./screens/keys/index.tsx") },
  { path: "usage", title: () => t("Usage"), icon: "usage", role: "viewer", key: "y", load: () => import("./screens/usage/index.tsx") },
];

/** The screens of the instance, under Settings. */
export const SETTINGS_SCREENS: readonly Screen[] = [
  { path: "profile", title: () => t("Profile"), icon: "user", role: "viewer", load: () => import("./screens/profile.tsx") },
  { path: "sessions", title: () => t("Sessions"), icon: "shield", role: "viewer", load: () => import("./screens/sessions.tsx") },
  { path: "projects", title: () => t("Projects"), icon: "folder", role: "viewer", load: () => import("./screens/projects/index.tsx") },
  { path: "workspaces", title: () => t("Workspaces"), icon: "workspaces", role: "viewer", load: () => import("./screens/workspaces.tsx") },
  { path: "admins", title: () => t("Admins"), icon: "users", role: "admin", load: () => import("./screens/admins/index.tsx") },
  { path: "audit", title: () => t("Audit log"), icon: "log", role: "admin", load: () => import("./screens/audit/index.tsx") },
];
