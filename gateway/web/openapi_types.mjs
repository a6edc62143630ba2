/**
 * Write the types of the REST API for the sources of the dashboard: src/dashboard/core/api_types.d.ts.
 *
 * They are made from the OpenAPI document of this gateway, and are not committed. So an operation that changes is a type
 * error in the screen that calls it. OPENAPI_FILE names a file with the document; without it, the gateway prints one.
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTypes, { astToString } from "openapi-typescript";

const project = fileURLToPath(new URL("../../", import.meta.url));
const target = new URL("src/dashboard/core/api_types.d.ts", import.meta.url);

function printed() {
  const python = existsSync(`${project}.venv/bin/python`) ? `${project}.venv/bin/python` : "python3";
  return execFileSync(python, ["-m", "gateway", "openapi"], { cwd: project, maxBuffer: 1 << 26, encoding: "utf8" });
}

const { OPENAPI_FILE } = process.env;
const text = OPENAPI_FILE ? await readFile(OPENAPI_FILE, "utf8") : printed();
await writeFile(target, astToString(await openapiTypes(JSON.parse(text))));
