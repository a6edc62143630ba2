/** Types of the API that the screen uses. */

import type { components } from "../../core/api_types.d.ts";

export type AdminProject = components["schemas"]["AdminProject"];
export type AdminProjectChange = components["schemas"]["AdminProjectChange"];
