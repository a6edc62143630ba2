/** The dialog that imports users from CSV or JSON, with its progress and the rows that were refused. */

import { useRef, useState } from "preact/hooks";
import { number } from "../../core/format.ts";
import { asFailure } from "../../core/failure.ts";
import { plural, t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Textarea } from "../../kit/fields.tsx";
import { Note } from "../../kit/page.tsx";
import { Table } from "../../kit/table.tsx";
import { type ImportProgress, runImport } from "./import_run.ts";
import { type ImportRow, readRows } from "./rows.ts";

const EXAMPLE = "external_id,email,first_name,plan\nada,ada@example.com,Ada,pro";
const MAX_FILE_BYTES = 50_000_000;

/** The dialog. */
export function ImportUsers({ projectId, onClose, onDone }: { projectId: string; onClose: () => void; onDone: () => void }) {
  const [rows, setRows] = useState<ImportRow[]>();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [progress, setProgress] = useState<ImportProgress>();
  const stopped = useRef(false);

  function read(content: string): void {
    setRows(undefined);
    setProblem("");
    if (content.trim() === "") return;
    try {
      const found = readRows(content);
      if (found.length) setRows(found);
      else setProblem(t("There are no users in it"));
    } catch (error) {
      setProblem(asFailure(error).message);
    }
  }

  async function take(file: File | undefined): Promise<void> {
    if (!file) return;
    if (file.size > MAX_FILE_BYTES) return setProblem(t("The file has more than 50 MB. Split it."));
    setText("");
    read(await file.text());
  }

  async function start(): Promise<void> {
    if (!rows) return;
    setProblem("");
    try {
      await runImport(projectId, rows, setProgress, () => stopped.current);
      onDone();
    } catch (error) {
      setProblem(asFailure(error).message);
    }
  }

  function close(): void {
    stopped.current = true;
    onClose();
  }

  const isDone = progress !== undefined && progress.processed >= progress.rows;
  const footer = isDone ? (
    <Button kind="primary" onClick={close}>
      {t("Done")}
    </Button>
  ) : (
    <>
      <Button onClick={close}>{t("Cancel")}</Button>
      <Button kind="primary" icon="upload" disabled={!rows} onClick={start}>
        {rows ? plural(rows.length, "Import {n} user", "Import {n} users") : t("Import")}
      </Button>
    </>
  );
  return (
    <Dialog wide title={t("Import users")} onClose={close} footer={footer}>
      {progress ? <Progress progress={progress} /> : <Source text={text} onText={(value) => (setText(value), read(value))} onFile={take} />}
      {problem && <Note tone="danger">{problem}</Note>}
      {rows && !progress && <Preview rows={rows} />}
    </Dialog>
  );
}

function Source({ text, onText, onFile }: { text: string; onText: (text: string) => void; onFile: (file: File | undefined) => Promise<void> }) {
  const [over, setOver] = useState(false);
  return (
    <>
      <label
        class={`drop ${over ? "over" : ""}`}
        onDragOver={(event) => (event.preventDefault(), setOver(true))}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void onFile(event.dataTransfer?.files[0]);
        }}
      >
        <input type="file" class="hidden" accept=".csv,.tsv,.json,text/csv,application/json" onChange={(event) => void onFile(event.currentTarget.files?.[0])} />
        <strong>{t("Choose a file, or drop it here")}</strong>
        <span class="quiet">{t("CSV with names of columns in its first line, or JSON. Columns of other names become attributes.")}</span>
      </label>
      <Textarea label={t("Or paste it")} value={text} onValue={onText} placeholder={EXAMPLE} rows={4} mono />
    </>
  );
}

function Preview({ rows }: { rows: ImportRow[] }) {
  const body = { import: { users: rows.slice(0, 2) } };
  return (
    <>
      <div class="preview-head">
        <h3>{plural(rows.length, "{n} user. The first:", "{n} users. The first:")}</h3>
        <CopyCurl call={{ method: "POST", path: "/imports", body }} />
      </div>
      <Table
        label={t("The first users")}
        rows={rows.slice(0, 3).map((row, index) => ({ ...row, index }))}
        rowKey={(row) => String(row.index)}
        columns={[
          { title: t("External id"), render: (row: ImportRow) => shown(row.external_id) },
          { title: t("Email"), render: (row: ImportRow) => shown(row.email) },
          { title: t("Name"), render: (row: ImportRow) => [row.first_name, row.last_name].filter(Boolean).join(" "), wide: true },
          { title: t("Attributes"), render: (row: ImportRow) => row.custom_attributes !== undefined && <code>{JSON.stringify(row.custom_attributes)}</code>, wide: true },
        ]}
      />
    </>
  );
}

function shown(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function Progress({ progress }: { progress: ImportProgress }) {
  const { processed, rows, created, updated, failures, errors } = progress;
  const isDone = processed >= rows;
  return (
    <>
      <div class="import-progress" role="status">
        <progress max={rows} value={processed} aria-label={t("Progress of the import")} />
        <p>
          <strong>{isDone ? t("The import is done") : t("{done} of {all}", { done: number(processed), all: number(rows) })}</strong>{" "}
          <span class="quiet">
            {plural(created, "{n} created", "{n} created")}, {plural(updated, "{n} updated", "{n} updated")}
          </span>
          {failures > 0 && <span class="refused"> {plural(failures, "{n} row was refused", "{n} rows were refused")}</span>}
        </p>
      </div>
      {errors.length > 0 && (
        <Table
          label={t("Rows that were refused")}
          rows={errors}
          rowKey={(error) => `${error.row} ${error.message}`}
          columns={[
            { title: t("Row"), render: (error) => (error.row === null ? "–" : number(error.row + 1)), width: "80px", align: "end" },
            { title: t("Why"), render: (error) => error.message, wrap: true },
          ]}
        />
      )}
    </>
  );
}
