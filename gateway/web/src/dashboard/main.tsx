/** Start the dashboard. */

import { render } from "preact";
import { startRouter } from "./core/router.ts";
import { startTheme } from "./core/theme.ts";
import { App } from "./shell/app.tsx";

startTheme();
startRouter();
const root = document.getElementById("app");
if (root) render(<App />, root);
