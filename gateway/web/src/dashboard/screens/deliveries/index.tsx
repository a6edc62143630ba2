/** Deliveries: why a user did not get a notification, and the latest deliveries. */

import { usePlace } from "../../core/router.ts";
import { useStyles } from "../../core/styles.ts";
import type { ScreenProps } from "../../screens.ts";
import css from "./deliveries.css";
import { DeliveryList } from "./list.tsx";
import { TracePage } from "./trace_page.tsx";

/** The trace of the user and notification in the address, or else the list. */
export default function Deliveries({ projectId }: ScreenProps) {
  useStyles(css);
  const { query } = usePlace();
  const [user, notification] = [query.get("user") ?? "", query.get("notification") ?? ""];
  if (user && notification) return <TracePage key={`${user} ${notification}`} projectId={projectId} user={user} notification={notification} />;
  return <DeliveryList projectId={projectId} />;
}
