/** Tables, and lists that are loaded part by part. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { CursorList } from "../core/query.ts";
import { t } from "../core/text.ts";
import { Button } from "./button.tsx";
import { Failure, NothingMatches } from "./states.tsx";

export interface Column<T> {
  title: string;
  render: (row: T) => ComponentChildren;
  /** Figures stand at the end. */
  align?: "end";
  /** The width in CSS, such as "120px". The others share the rest. */
  width?: string;
  /** Left out on a phone. */
  wide?: boolean;
  /** The text may take several lines. */
  wrap?: boolean;
}

export interface TableProps<T> {
  /** What the table has, for screen readers. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** The address that a click on a row leads to, such as `withParams({ id: row.id })`. */
  rowHref?: (row: T) => string;
  /** Whether a row is the one that a drawer shows. */
  isCurrent?: (row: T) => boolean;
  busy?: boolean;
}

const cellClass = <T,>(column: Column<T>) =>
  [column.align === "end" && "end", column.wide && "wide-only", column.wrap && "wrap"].filter(Boolean).join(" ");

/** A table. */
export function Table<T>({ label, columns, rows, rowKey, rowHref, isCurrent, busy }: TableProps<T>) {
  return (
    <div class="table-frame" aria-busy={busy}>
      <table class="table">
        <caption class="hidden">{label}</caption>
        <Head columns={columns} />
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} class={rowHref ? "link-row" : ""} aria-current={isCurrent?.(row) || undefined}>
              {columns.map((column, index) => (
                <td key={column.title} class={cellClass(column)}>
                  {index === 0 && rowHref ? <a href={rowHref(row)}>{column.render(row)}</a> : column.render(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Head<T>({ columns }: { columns: readonly Column<T>[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) => (
          <th
            key={column.title}
            scope="col"
            class={cellClass(column)}
            ref={(cell) => void (column.width && cell?.style.setProperty("inline-size", column.width))}
          >
            {column.title || <span class="hidden">{t("Actions")}</span>}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** A table whose rows are being loaded. */
export function TableSkeleton<T>({ columns, rows = 8 }: { columns: readonly Column<T>[]; rows?: number }) {
  return (
    <div class="table-frame" role="status" aria-label={t("Loading")}>
      <table class="table loading" aria-hidden="true">
        <Head columns={columns} />
        <tbody>
          {Array.from({ length: rows }, (_, row) => (
            <tr key={row}>
              {columns.map((column) => (
                <td key={column.title} class={cellClass(column)}>
                  <span class="bar" />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export interface CursorTableProps<T> extends Omit<TableProps<T>, "rows" | "busy"> {
  list: CursorList<T>;
  /** What is shown if there is nothing at all. */
  empty: ComponentChildren;
  /** What failed, as a sentence. */
  what?: string;
  /** The filters that are set. Without results, they can be cleared. */
  filters?: { active: boolean; clear: () => void };
}

/** A list in all its states. The next part is loaded when its end comes into view. */
export function CursorTable<T>({ list, empty, what, filters, ...table }: CursorTableProps<T>) {
  const { items, error } = list;
  if (items === undefined) {
    if (error) return <Failure what={what} error={error} retry={list.refetch} />;
    return list.loading ? <TableSkeleton columns={table.columns} /> : null;
  }
  if (items.length === 0 && !list.hasMore) return <>{filters?.active ? <NothingMatches onClear={filters.clear} /> : empty}</>;
  return (
    <>
      <Table {...table} rows={items} busy={list.refreshing} />
      {error && <Failure what={what} error={error} retry={list.hasMore ? list.more : list.refetch} />}
      {!error && list.hasMore && <More list={list} />}
    </>
  );
}

/** How many parts without an item are loaded one after the other before somebody has to ask for more. */
const EMPTY_PARTS = 20;

function More<T>({ list }: { list: CursorList<T> }) {
  const end = useRef<HTMLDivElement>(null);
  const more = useRef(list.more);
  more.current = list.more;
  const count = list.items?.length;
  const automatic = useRef({ count, parts: 0 });
  useEffect(() => {
    if (!end.current || list.loadingMore) return;
    if (automatic.current.count !== count) automatic.current = { count, parts: 0 };
    const observer = new IntersectionObserver(
      (entries) => {
        if (automatic.current.parts > EMPTY_PARTS || !entries.some((entry) => entry.isIntersecting)) return;
        automatic.current.parts += 1;
        more.current();
      },
      { rootMargin: "200px" },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [count, list.loadingMore]);
  const ask = () => {
    automatic.current.parts = 0;
    list.more();
  };
  return (
    <div class="more" ref={end}>
      <Button kind="quiet" busy={list.loadingMore} onClick={ask}>
        {list.loadingMore ? t("Loading…") : t("Load more")}
      </Button>
    </div>
  );
}
