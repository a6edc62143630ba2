/** Users: search, create and import them; and the page of one user. */

import { useStyles } from "../../core/styles.ts";
import type { ScreenProps } from "../../screens.ts";
import { UserList } from "./list.tsx";
import { UserPage } from "./user_page.tsx";
import css from "./users.css";

/** The list, or the user whom the address names by id, or as `external_id:…` or `email:…`. */
export default function Users({ projectId, rest }: ScreenProps) {
  useStyles(css);
  const name = rest.join("/");
  return name ? <UserPage key={name} projectId={projectId} name={name} /> : <UserList projectId={projectId} />;
}
