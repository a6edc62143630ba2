/** One file of TypeScript declarations for a module and all that its types refer to. */

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IMPORT = /^import (?:type )?\{[^}]*\} from "(.+)";\n/gm;
const REEXPORT = /^export (type )?(\{[^}]*\}|\*) from "(.+)";\n/gm;
const DECLARATION = /^export (?:declare )?(?:abstract )?(?:class|const|function|interface|type) (\w+)/gm;

/** Return a function that returns the declarations of an entry, such as `client/index`, and one that cleans up. */
export async function declarations(root) {
  const out = await mkdtemp(join(tmpdir(), "declarations-"));
  const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--outDir", out];
  // A type error is printed and does not stop the build. `npm run types` fails, and so does a test.
  spawnSync(process.execPath, ["node_modules/typescript-native/bin/tsc", "--project", "tsconfig.json", ...options], {
    cwd: root,
    stdio: "inherit",
  });
  return { of: (entry) => bundled(out, `${entry}.ts`), clean: () => rm(out, { recursive: true }) };
}

/** The names of a module are those of the whole: no two modules declare the same one. */
async function bundled(out, entry) {
  const modules = new Map();
  const exported = [];

  async function add(path) {
    if (modules.has(path)) return;
    modules.set(path, ""); // modules may import each other
    const text = await readFile(join(out, path.replace(/\.ts$/, ".d.ts")), "utf8");
    for (const [, imported] of text.matchAll(IMPORT)) await add(join(path, "..", imported));
    for (const [, type, names, from] of text.matchAll(REEXPORT)) {
      const target = join(path, "..", from);
      await add(target);
      if (path === entry) exported.push(...(names === "*" ? namesOf(modules.get(target)) : [`${type ?? ""}${names.slice(2, -2)}`]));
    }
    const own = text.replace(IMPORT, "").replace(REEXPORT, "").replace(/^export \{\};\n/m, "");
    modules.set(path, own);
  }

  await add(entry);
  exported.push(...namesOf(modules.get(entry)));
  const declared = [...modules.values()].flatMap(namesOf);
  const twice = declared.filter((name, index) => declared.indexOf(name) !== index);
  if (twice.length) throw new Error(`declared in two modules: ${twice}`);
  const body = [...modules.values()].map((text) => text.replace(/^export (?=(declare )?)/gm, "")).join("");
  return `${body.replace(/^(?=(class|function|const) )/gm, "declare ")}export { ${exported.sort().join(", ")} };\n`;
}

function namesOf(text) {
  return [...text.matchAll(DECLARATION)].map(([, name]) => name);
}
