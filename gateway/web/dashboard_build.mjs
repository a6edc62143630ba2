/**
 * The files of the dashboard: dist/dashboard/ from src/dashboard/.
 *
 * main.js           core/, kit/ and shell/, and the packages that screens use. It exports all of core/, kit/ and those packages
 * screen-NAME.js    screens/NAME.tsx or screens/NAME/index.tsx, loaded when it is shown
 * NAME.js           parts/NAME.ts or .tsx, loaded when it is needed
 *
 * What a screen imports from core/, kit/ and the packages comes from main.js, so that there is one copy of each.
 */

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";

const PACKAGES = ["preact", "preact/hooks", "preact/jsx-runtime"];
const LOADED = /\/(screens|parts)\/([a-z_]+)(?:\/index)?\.tsx?$/;
const MODULE = /(?<!\.d)\.tsx?$/;

/** The name of the built file of a screen or part. */
function builtName(path) {
  const [, kind, name] = LOADED.exec(path);
  return (kind === "screens" ? "screen-" : "") + name.replaceAll("_", "-");
}

/** Imports of screens and parts by `import()` become those of their built files. */
const loaded = {
  name: "loaded",
  setup({ onResolve }) {
    onResolve({ filter: LOADED }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path: `./${builtName(path)}.js`, external: true } : null,
    );
  },
};

/** Return the plugin that has everything in main.js imported from there. */
function fromMain(source) {
  const shared = ["core", "kit"].map((name) => `${source}/${name}/`);
  return {
    name: "from-main",
    setup({ onResolve }) {
      onResolve({ filter: /./ }, ({ path, kind, resolveDir }) => {
        if (kind !== "import-statement") return null;
        const target = path.startsWith(".") ? resolve(resolveDir, path) : path;
        const isShared = PACKAGES.includes(path) || (MODULE.test(path) && shared.some((folder) => target.startsWith(folder)));
        return isShared ? { path: "./main.js", external: true } : null;
      });
    },
  };
}

/** Return the entry of main.js: it starts the dashboard, and exports what screens and parts import. */
async function mainEntry(source) {
  const exported = [...PACKAGES];
  for (const folder of ["core", "kit"])
    for (const file of (await readdir(`${source}/${folder}`)).sort()) if (MODULE.test(file)) exported.push(`./${folder}/${file}`);
  const contents = ['import "./main.tsx";', ...exported.map((path) => `export * from "${path}";`)].join("\n");
  return {
    name: "main-entry",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^dashboard-main$/ }, () => ({ path: "main", namespace: "dashboard" }));
      onLoad({ filter: /./, namespace: "dashboard" }, () => ({ contents, resolveDir: source }));
    },
  };
}

/** Return the sources of the screens and parts. */
async function entries(source) {
  const found = [];
  for (const folder of ["screens", "parts"])
    for (const entry of await readdir(`${source}/${folder}`, { withFileTypes: true })) {
      const index = `${folder}/${entry.name}/index.tsx`;
      if (existsSync(`${source}/${index}`)) found.push(index);
      else if (MODULE.test(entry.name)) found.push(`${folder}/${entry.name}`);
    }
  return found.sort();
}

const names = (text, expression) =>
  [...text.matchAll(expression)].flatMap(([, list]) => list.split(",").filter(Boolean).map((each) => each.split(" as ")));

/** Raise an error for an import of something that main.js does not export, or that two of its modules export. */
function checkImports(files) {
  const text = (name) => Buffer.from(files.get(name)).toString();
  const exported = new Set(names(text("dashboard/main.js"), /export\s*\{([^}]*)\}/g).map((pair) => pair.at(-1).trim()));
  for (const name of files.keys()) {
    if (!/^dashboard\/(?!main).*\.js$/.test(name)) continue;
    for (const [wanted] of names(text(name), /import\s*\{([^}]*)\}\s*from\s*"\.\/main\.js"/g))
      if (!exported.has(wanted.trim())) throw new Error(`${name} imports ${wanted}, which main.js does not export`);
  }
}

/** Add the built files to `files`. `minified` builds one entry. */
export async function dashboard(root, files, minified, styles) {
  const source = `${root}src/dashboard`;
  files.set("dashboard/index.html", await readFile(`${source}/index.html`));
  const font = `${root}node_modules/@fontsource-variable/inter`;
  files.set("dashboard/inter.woff2", await readFile(`${font}/files/inter-latin-wght-normal.woff2`));
  files.set("dashboard/inter-license.txt", await readFile(`${font}/LICENSE`));
  const jsx = { jsx: "automatic", jsxImportSource: "preact" };
  await minified("dashboard-main", "dashboard/main", { ...jsx, plugins: [await mainEntry(source), loaded, styles] });
  await minified("src/dashboard/style.css", "dashboard/style", { plugins: [], external: ["*.woff2"] });
  for (const entry of await entries(source)) {
    const plugins = [loaded, fromMain(source), styles];
    const external = ["../../client.js", "../../inbox-bell.js"];
    await minified(`src/dashboard/${entry}`, `dashboard/${builtName(`/${entry}`)}`, { ...jsx, plugins, external });
  }
  checkImports(files);
}
