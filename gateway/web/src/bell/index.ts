/** The elements, which this module defines: `<inbox-bell>`, `<inbox-list>` and `<inbox-preferences>`. */

import { InboxBell } from "./bell.ts";
import { InboxList } from "./list.ts";
import { InboxPreferences } from "./preferences.ts";
import { share } from "./shared.ts";

export { InboxBell, InboxList, InboxPreferences };

const ELEMENTS = { "inbox-bell": InboxBell, "inbox-list": InboxList, "inbox-preferences": InboxPreferences };

share();

// A page may load two versions of this script. The first one wins.
for (const [name, element] of Object.entries(ELEMENTS))
  if (!customElements.get(name)) customElements.define(name, element);
