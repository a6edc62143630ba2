/** Users as the API returns them, and how they are named. */

import type { components } from "../../core/api_types.d.ts";
import { projectApi } from "../../core/api.ts";

export type ProjectUser = components["schemas"]["ProjectUser"];
export type UserSummary = components["schemas"]["UserSummaryAnswer"];

/** Return the name of a user as people say it. */
export function displayName(user: Pick<ProjectUser, "id" | "first_name" | "last_name" | "external_id" | "email">): string {
  return [user.first_name, user.last_name].filter(Boolean).join(" ") || user.external_id || user.email || user.id;
}

/** Return the client for the operations of this user. */
export function apiOf(projectId: string, user: Pick<ProjectUser, "external_id" | "email">): ReturnType<typeof projectApi> {
  return projectApi(projectId, user.external_id ? { externalId: user.external_id } : { email: user.email ?? "" });
}

/** Return what identifies a user as a recipient. */
export function recipientOf(user: Pick<ProjectUser, "external_id" | "email">): { external_id: string } | { email: string } {
  return user.external_id ? { external_id: user.external_id } : { email: user.email ?? "" };
}
