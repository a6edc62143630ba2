/** The directory of the script, if it is the gateway's own file and not part of an application's bundle. */
const SERVED_FROM = /^https?:[^?#]*\/inbox-bell[^/]*\.js([?#]|$)/.test(import.meta.url) ? import.meta.url : undefined;

/** Return the address of a file that is loaded only when it is needed. `url` is that of the gateway. */
export function asset(name: string, url: string): string {
  const base = SERVED_FROM ?? `${url.replace(/\/$/, "")}/`;
  return new URL(`inbox-assets/${__VERSION__}/${name}`, base).href;
}

/** Import a module that is loaded only when it is needed. */
export function load<Module>(name: string, url: string): Promise<Module> {
  return import(asset(name, url)) as Promise<Module>;
}
