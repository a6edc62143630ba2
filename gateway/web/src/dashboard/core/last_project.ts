/** The project that was shown last: by this page, otherwise by any page of this browser. */

const KEY = "inbox-admin-project";

let shown: string | null = null;

/** Return the id of the project that was shown last, null if none was. */
export function lastProject(): string | null {
  try {
    return shown ?? localStorage.getItem(KEY);
  } catch {
    return null; // Storage is blocked.
  }
}

/** Note which project is shown. */
export function rememberProject(id: string): void {
  shown = id;
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // Storage is blocked. The first project is shown next time.
  }
}
