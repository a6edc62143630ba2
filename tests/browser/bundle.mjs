/**
 * Bundle an application of the guide to the bell, as a user's build tool would. Runs in clients/, which has the tools.
 *
 * Standard input has `{files, entry, react, platform}`: texts by name, the name of the entry, the package that is React,
 * and where the bundle runs. The bundle goes to standard output.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { build } = require("esbuild");
const vue = require("vue/compiler-sfc");
const svelte = require("svelte/compiler");

const here = import.meta.dirname;
const { files, entry, react, platform } = JSON.parse(readFileSync(0, "utf8"));

const COMPILE = {
  vue(text, filename) {
    const { descriptor, errors } = vue.parse(text, { filename });
    if (errors.length) throw errors[0];
    return vue.compileScript(descriptor, { id: filename, inlineTemplate: true, templateOptions: { ssr: platform === "node" } }).content;
  },
  svelte(text, filename) {
    return svelte.compile(text, { filename, generate: "client", dev: true }).js.code;
  },
};

const sources = {
  name: "sources",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(entry:|\.\/)/ }, ({ path, importer, namespace }) => {
      const name = path.replace(/^(entry:|\.\/)/, "");
      if (name in files && (namespace === "source" || !importer)) return { path: name, namespace: "source" };
    });
    onLoad({ filter: /.*/, namespace: "source" }, ({ path }) => {
      const ending = path.split(".").pop();
      const contents = COMPILE[ending]?.(files[path], path) ?? files[path];
      return { contents, loader: ending in COMPILE ? "js" : ending, resolveDir: process.cwd() };
    });
  },
};

const { outputFiles } = await build({
  alias: {
    "inbox-gateway-client": `${process.cwd()}/dist/inbox-gateway-client/client.js`,
    "inbox-gateway-react": `${process.cwd()}/dist/inbox-gateway-react/index.js`,
    "inbox-gateway-svelte": `${process.cwd()}/dist/inbox-gateway-svelte/index.js`,
    "inbox-gateway-vue": `${process.cwd()}/dist/inbox-gateway-vue/index.js`,
    "react-native": `${here}/react_native.jsx`,
    "react-native-webview": `${here}/react_native.jsx`,
    ...(react === "react-18" && { react: "react-18", "react-dom": "react-dom-18" }),
  },
  // Packages of CommonJS require modules of Node, which a module has no `require` for.
  banner: { js: platform === "node" ? 'import { createRequire } from "node:module"; const require = createRequire("/");' : "" },
  bundle: true,
  conditions: platform === "node" ? ["development"] : ["browser", "development"],
  define: {
    "process.env.NODE_ENV": '"development"', // with the warnings, and with components that are mounted twice
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
  },
  entryPoints: [`entry:${entry}`],
  format: "esm",
  jsx: "automatic",
  logLevel: "error",
  platform,
  nodePaths: [`${process.cwd()}/node_modules`], // for what is outside of clients/
  plugins: [sources],
  target: "es2022",
  write: false,
});
process.stdout.write(outputFiles[0].text);
