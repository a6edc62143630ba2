/**
 * Build what browsers load: dist/ from src/. Run it with `npm run build`.
 *
 * dist/client.js        src/client/, one ES module
 * dist/inbox-bell.js    src/bell/ with the client, one ES module
 * dist/assets/          what the bell loads when it needs it: one file of src/bell/locales/, or of ASSETS
 * dist/demo.html        src/demo/index.html with its style sheet and its scripts inline; the same for docs
 *
 * Modules are minified and have a source map beside them. The result is committed, so that running the gateway needs
 * no Node, and is the same on every machine. File names have no hashes: the gateway serves files under its version.
 *
 * In src, `__VERSION__` is the version of the gateway, and a style sheet that a module imports is its minified text.
 */

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = `${root}dist`;

const [, version] = /__version__ = "(.+)"/.exec(await readFile(`${root}../__init__.py`, "utf8"));

const SETTINGS = {
  absWorkingDir: root,
  bundle: true,
  charset: "utf8",
  define: { __VERSION__: JSON.stringify(version) },
  format: "esm",
  legalComments: "inline", // the notice of DOMPurify
  logLevel: "warning",
  target: "es2022",
  write: false,
};

/** Files in dist/assets by name. A service worker is a classic script, because Firefox has no others. */
const ASSETS = {
  html: { entry: "src/bell/html.ts", format: "esm" },
  "push-worker": { entry: "src/bell/push_worker.ts", format: "iife" },
};

const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, charset: "utf8" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** The built files: content by path in dist. */
const files = new Map();

async function minified(entry, out, options = {}) {
  const { outputFiles } = await build({
    ...SETTINGS,
    entryPoints: [{ in: entry, out }],
    minify: true,
    outdir: "dist",
    plugins: [styles],
    sourcemap: "linked",
    ...options,
  });
  for (const { path, contents } of outputFiles) files.set(relative(dist, path), contents);
}

async function bundled(entry, options = {}) {
  const { outputFiles } = await build({ ...SETTINGS, entryPoints: [entry], ...options });
  return outputFiles[0].text;
}

/** Return a page with its style sheet and module inline: one request loads it, and its policy allows only these. */
async function page(name) {
  const html = await readFile(`${root}src/${name}/index.html`, "utf8");
  const styles = await bundled(`src/${name}/style.css`);
  const script = await bundled(`src/${name}/main.js`, { external: ["./client.js"] }); // loaded from the gateway
  if (/<\/(style|script)/i.test(styles + script)) throw new Error(`src/${name} contains the end of a style or script`);
  return replaced(
    replaced(html, '<link rel="stylesheet" href="style.css">', `<style>\n${styles}</style>`),
    '<script type="module" src="main.js"></script>',
    `<script type="module">\n${script}</script>`,
  );
}

function replaced(html, tag, by) {
  const parts = html.split(tag);
  if (parts.length !== 2) throw new Error(`a page needs ${tag} once`);
  return parts.join(by);
}

function printSizes() {
  console.log(`${"dist/".padEnd(28)}${["bytes", "gzip", "brotli"].map((name) => name.padStart(8)).join("")}`);
  for (const [name, content] of files) {
    if (name.endsWith(".map")) continue;
    const sizes = [content.length, gzipSync(content, { level: 9 }).length, brotliCompressSync(content).length];
    console.log(`${name.padEnd(28)}${sizes.map((size) => String(size).padStart(8)).join("")}`);
  }
}

const NOTICE = { banner: { js: `/* inbox-gateway ${version}, Apache-2.0 */` } };
await minified("src/client/index.ts", "client", NOTICE);
if (existsSync(`${root}src/bell/index.ts`)) await minified("src/bell/index.ts", "inbox-bell", NOTICE);
for (const [name, { entry, format }] of Object.entries(ASSETS))
  if (existsSync(`${root}${entry}`)) await minified(entry, `assets/${name}`, { format });
const locales = existsSync(`${root}src/bell/locales`) ? (await readdir(`${root}src/bell/locales`)).sort() : [];
for (const file of locales) await minified(`src/bell/locales/${file}`, `assets/locale-${basename(file, ".ts")}`);
for (const name of ["demo", "docs"]) files.set(`${name}.html`, Buffer.from(await page(name)));

await rm(dist, { recursive: true, force: true }); // files that are built no more
for (const [name, content] of files) {
  await mkdir(dirname(`${dist}/${name}`), { recursive: true });
  await writeFile(`${dist}/${name}`, content);
}
printSizes();
