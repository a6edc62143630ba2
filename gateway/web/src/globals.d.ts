/** What build.mjs puts into modules. */

/** The version of the gateway, such as "0.1.0". */
declare const __VERSION__: string;

declare module "*.css" {
  /** The style sheet, minified. */
  const text: string;
  export default text;
}
