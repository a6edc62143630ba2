/**
 * Build what browsers load: dist/ from src/. Run it with `npm run build`.
 *
 * dist/client.js   one ES module from src/client/
 * dist/demo.html   src/demo/index.html with its style sheet and its scripts inline; the same for docs
 *
 * The result is committed, so that running the gateway needs no Node, and is the same on every machine. It is
 * not minified: it is small, and debuggers show it as it is.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));

const SETTINGS = {
  absWorkingDir: root,
  bundle: true,
  charset: "utf8",
  format: "esm",
  legalComments: "none",
  logLevel: "warning",
  target: "es2022",
  write: false,
};

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

await mkdir(`${root}dist`, { recursive: true });
const NOTE = "/* The browser client of the inbox gateway: an ES module, built from gateway/web/src/client. */";
await writeFile(`${root}dist/client.js`, await bundled("src/client/index.ts", { banner: { js: NOTE } }));
for (const name of ["demo", "docs"]) await writeFile(`${root}dist/${name}.html`, await page(name));
