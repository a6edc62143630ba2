/** The elements, which this module defines: `<inbox-bell>` and `<inbox-list>`. */

import { InboxBell } from "./bell.ts";
import { InboxList } from "./list.ts";

export { InboxBell, InboxList };

// A page may load two versions of this script. The first one wins.
for (const [name, element] of Object.entries({ "inbox-bell": InboxBell, "inbox-list": InboxList }))
  if (!customElements.get(name)) customElements.define(name, element);
