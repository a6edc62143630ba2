/** Who is signed in, and what this person may do. */

import { gatewayAddress, request } from "./api.ts";
import { forgetResults } from "./query.ts";
import { navigate, projectIn, usePlace } from "./router.ts";
import { createStore, useStore } from "./store.ts";

/** What an admin may do. Each role may do what the one before may. */
export const ROLES = ["viewer", "editor", "admin", "owner"] as const;
export type Role = (typeof ROLES)[number];

/** The role of an admin in a workspace. "*" stands for every workspace. */
export type Roles = Record<string, Role>;

export interface Me {
  admin: { id: string; email: string; name: string; roles: Roles; has_password: boolean; has_sso: boolean };
  role: Role;
  session_id: string;
  confirmed_until: number;
  version: string;
  /** The address at which clients reach the gateway, "" for that of the dashboard. */
  public_url: string;
}

export interface ProjectSummary {
  id: string;
  name: string;
  api_key: string;
  hmac_enabled: boolean;
  allowed_origins: string[];
  item_retention_count: number | null;
  item_retention_seconds: number | null;
  strict: boolean;
  workspace: { id: string; title: string };
  role: Role;
  has_secret: boolean;
  former_secret_ends_at: number | null;
}

export interface Session {
  me: Me;
  projects: ProjectSummary[];
}

/** The session: undefined until the gateway was asked, null without one. */
export const session = createStore<Session | null | undefined>(undefined);

/** Return the address of the gateway for backends, pages and providers: what people copy from the dashboard has it. */
export function publicAddress(): string {
  return session.get()?.me.public_url || gatewayAddress();
}

/** Ask the gateway who is signed in, and for the projects. Raises ApiFailure. */
export async function loadSession(): Promise<Session> {
  const [me, projects] = await Promise.all([
    request<Me>("GET", "api/me"),
    request<{ data: ProjectSummary[] }>("GET", "api/projects?limit=1000"),
  ]);
  const loaded = { me, projects: projects.data };
  session.set(loaded);
  return loaded;
}

/** Leave the session: forget what was loaded, and show the login page, which leads back to the present place. */
export function leaveSession(): void {
  forgetResults();
  const here = location.href.slice(new URL(".", document.baseURI).href.length);
  if (!/^(login|setup)\b/.test(here)) navigate(here ? `login?next=${encodeURIComponent(here)}` : "login", { replace: true });
  session.set(null);
}

/** End the session in the gateway too. */
export async function signOut(): Promise<void> {
  await request("POST", "api/logout");
  forgetResults();
  session.set(null);
  navigate("login");
}

/** What a signed-in component knows: the admin, the projects, the project of the address, and the role there. */
export interface Access {
  me: Me;
  projects: ProjectSummary[];
  project: ProjectSummary | null;
  role: Role;
  can: (needed: Role) => boolean;
}

/** Return whether a role may do what needs another. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Return the session. Only components that are shown to people who are signed in may call it. */
export function useSession(): Access {
  const known = useStore(session);
  const { path } = usePlace();
  if (!known) throw new Error("There is no session");
  const projectId = projectIn(path);
  const project = known.projects.find(({ id }) => id === projectId) ?? null;
  const role = projectId === null ? known.me.role : (project?.role ?? "viewer");
  return { ...known, project, role, can: (needed) => allows(role, needed) };
}

/** Return the function that says whether this person may do what needs a role, in the project of the address. */
export function useCan(): (needed: Role) => boolean {
  return useSession().can;
}

