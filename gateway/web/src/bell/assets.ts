/** The directory of the script, if it is the gateway's own file and not part of an application's bundle. */
const SERVED_FROM = /^https?:[^?#]*\/inbox-bell[^/]*\.js([?#]|$)/.test(import.meta.url) ? import.meta.url : undefined;

/** Return the address of a file that is loaded only when it is needed. `url` is that of the gateway. */
export function asset(name: string, url: string): string {
  const base = SERVED_FROM ?? `${url.replace(/\/$/, "")}/`;
  return new URL(`inbox-assets/${__VERSION__}/${name}`, base).href;
}

const failures = new Map<string, number>();
const modules = new Map<string, Promise<unknown>>();

/**
 * Import a module that is loaded only when it is needed. After a failure, call this again later: during an upgrade, a
 * gateway of the version before does not have the file.
 */
export function load<Module>(name: string, url: string): Promise<Module> {
  return loadFrom(asset(name, url));
}

/**
 * Import the module at an address. Those who wait for it continue in the order of their calls, which browsers do not
 * promise for several imports. Browsers keep the failure of a module, so that another attempt needs another address.
 */
export function loadFrom<Module>(address: string): Promise<Module> {
  const failed = failures.get(address);
  const module =
    modules.get(address) ??
    import(failed ? `${address}?retry=${failed}` : address).catch((error) => {
      modules.delete(address);
      if (!isPinned(address)) failures.set(address, (failed ?? 0) + 1);
      throw error;
    });
  modules.set(address, module);
  return module as Promise<Module>;
}

/** Whether an import map of the page has the address, and may have its hash. Another address would not be checked. */
function isPinned(address: string): boolean {
  return [...document.scripts].some(({ type, text }) => type === "importmap" && text.includes(new URL(address).pathname));
}
