/**
 * Build the packages for npm, dist/inbox-gateway-{client,react,vue,svelte}. Run it with `npm run build`.
 *
 * Each has one ES module, its declarations, and a package.json with the gateway's version. Beside each folder is the
 * archive that npm installs or publishes. The client is the module that the gateway serves. The wrappers bundle neither
 * frameworks nor the client.
 */

import { execFileSync } from "node:child_process";
import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const web = `${root}../gateway/web`;
const dist = `${root}dist`;
const [, version] = /__version__ = "(.+)"/.exec(await readFile(`${root}../gateway/__init__.py`, "utf8"));

/** Entry and first line by package. Next.js runs hooks in the browser only for modules with its directive. */
const WRAPPERS = { react: ["react/index.ts", '"use client";'], vue: ["vue/index.ts", ""], svelte: ["svelte/index.ts", ""] };

await rm(dist, { recursive: true, force: true });
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "--project", `${root}tsconfig.declarations.json`], {
  stdio: "inherit",
});

/** Write what every package has. Declarations are copied from folders of dist/types. */
async function start(name, folder, types, peers) {
  const out = `${dist}/inbox-gateway-${name}`;
  await mkdir(out, { recursive: true });
  const manifest = JSON.parse(await readFile(`${root}${folder}/package.json`, "utf8"));
  const peerDependencies = { ...manifest.peerDependencies, ...peers };
  await writeFile(`${out}/package.json`, `${JSON.stringify({ ...manifest, version, peerDependencies }, null, 2)}\n`);
  await copyFile(`${root}../LICENSE`, `${out}/LICENSE`);
  await copyFile(`${root}${folder}/README.md`, `${out}/README.md`);
  for (const [from, to] of Object.entries(types)) await cp(`${dist}/types/${from}`, `${out}/types/${to}`, { recursive: true });
  for (const file of await readdir(`${out}/types`, { recursive: true })) {
    if (!file.endsWith(".d.ts")) continue;
    const text = await readFile(`${out}/types/${file}`, "utf8");
    await writeFile(`${out}/types/${file}`, text.replace(/(from |import\()"(\..+?)\.tsx?"/g, '$1"$2.js"'));
  }
  return out;
}

async function report(name, file) {
  const { length } = gzipSync(await readFile(file));
  console.log(`inbox-gateway-${name} ${version}: ${(length / 1024).toFixed(1)} KB gzipped`);
}

const client = await start("client", "js", { "gateway/web/src/client": "" }, {});
for (const file of ["client.js", "client.js.map"]) await copyFile(`${web}/dist/${file}`, `${client}/${file}`);
await report("client", `${client}/client.js`);

for (const [name, [entry, banner]] of Object.entries(WRAPPERS)) {
  const types = { "clients/core": "clients/core", [`clients/${name}`]: `clients/${name}`, gateway: "gateway" };
  const out = await start(name, name, types, { "inbox-gateway-client": version });
  await build({
    absWorkingDir: root,
    banner: { js: banner },
    bundle: true,
    charset: "utf8",
    entryPoints: [entry],
    external: ["inbox-gateway-client", "react", "react/jsx-runtime", "vue"],
    format: "esm",
    jsx: "automatic",
    logLevel: "warning",
    outfile: `${out}/index.js`,
    target: "es2022",
  });
  await report(name, `${out}/index.js`);
}
await rm(`${dist}/types`, { recursive: true });
const folders = (await readdir(dist)).map((name) => `./${name}`);
execFileSync("npm", ["pack", "--silent", ...folders], { cwd: dist, stdio: "ignore" });
