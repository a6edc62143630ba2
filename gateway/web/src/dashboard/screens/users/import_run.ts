/** Runs an import: sends the rows in portions, and follows each until it is processed. */

import { data, projectApi } from "../../core/api.ts";
import type { ImportRow } from "./rows.ts";

const ROWS_AT_ONCE = 2_000;
const ASK_AGAIN_MS = 400;

export interface ImportProgress {
  rows: number;
  processed: number;
  created: number;
  updated: number;
  failures: number;
  /** Rows count from 0. A null row stands for the import as a whole. */
  errors: { row: number | null; message: string }[];
}

/** Import rows, and report the progress. It ends early once `isStopped` returns true; what was sent is imported. */
export async function runImport(
  projectId: string,
  rows: readonly ImportRow[],
  report: (progress: ImportProgress) => void,
  isStopped: () => boolean,
): Promise<void> {
  let done: ImportProgress = { rows: rows.length, processed: 0, created: 0, updated: 0, failures: 0, errors: [] };
  report(done);
  for (let first = 0; first < rows.length && !isStopped(); first += ROWS_AT_ONCE) {
    const portion = rows.slice(first, first + ROWS_AT_ONCE);
    const accepted = await data(projectApi(projectId).POST("/imports", { body: { import: { users: portion } } }));
    const before = done;
    let isProcessed = false;
    while (!isProcessed && !isStopped()) {
      const { import: found } = await data(projectApi(projectId).GET("/imports/{import_id}", { params: { path: { import_id: accepted.import.id } } }));
      isProcessed = found.status === "processed";
      const { total = 0, created = 0, updated = 0, failures = 0 } = found.summary;
      done = {
        rows: rows.length,
        processed: before.processed + (isProcessed ? portion.length : Math.min(total, portion.length)),
        created: before.created + created,
        updated: before.updated + updated,
        failures: before.failures + failures,
        errors: [...before.errors, ...found.errors.map(({ row, message }) => ({ row: row === undefined ? null : first + row, message }))],
      };
      report(done);
      if (!isProcessed) await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }
}
