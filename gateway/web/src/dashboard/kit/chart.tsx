/**
 * A chart over time. What is pointed at, by the pointer or the arrow keys, is shown in the legend, and all figures in a
 * table. The library is loaded when the first chart is shown.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import { dateTime, number } from "../core/format.ts";
import { t } from "../core/text.ts";
import type { Drawing, Plot } from "../parts/chart.ts";

export interface Series {
  label: string;
  /** A figure for each time, null for none. */
  values: readonly (number | null)[];
  tone?: "accent" | "ok" | "warning" | "danger" | "quiet";
}

export interface ChartProps {
  label: string;
  /** Unix times in seconds. */
  times: readonly number[];
  series: readonly Series[];
  kind?: "line" | "bars";
  height?: number;
  format?: (value: number) => string;
  formatTime?: (seconds: number) => string;
  /** What the legend shows while nothing is pointed at: the sums, the newest figures, or the names alone. */
  summary?: "total" | "last" | "none";
}

/** A chart. */
export function Chart(props: ChartProps) {
  const { label, times, series, format = number, formatTime = dateTime, summary = "none" } = props;
  const [pointed, point] = useState<number | null>(null);
  const index = pointed !== null && pointed < times.length ? pointed : null;
  return (
    <figure class="chart">
      <figcaption>
        {series.map(({ label: name, tone = "accent", values }) => (
          <span key={name} class={`legend ${tone}`}>
            <span>{name}</span> <b>{figure(index === null ? summaryOf(values, summary) : values[index], format)}</b>
          </span>
        ))}
        <span class="chart-time quiet">{index === null ? "" : formatTime(times[index]!)}</span>
      </figcaption>
      <Plotted {...props} format={format} formatTime={formatTime} point={point} />
      <details>
        <summary>{t("Show as a table")}</summary>
        <Figures label={label} times={times} series={series} format={format} formatTime={formatTime} />
      </details>
    </figure>
  );
}

const figure = (value: number | null | undefined, format: (value: number) => string) => (value === undefined ? "" : value === null ? "–" : format(value));

/** Return the figure of a series in the legend, undefined for none. */
function summaryOf(values: Series["values"], summary: NonNullable<ChartProps["summary"]>): number | null | undefined {
  const known = values.filter((value) => value !== null);
  if (summary === "none") return undefined;
  if (known.length === 0) return null;
  return summary === "last" ? known.at(-1) : known.reduce((sum, value) => sum + value, 0);
}

type PlottedProps = ChartProps & Required<Pick<ChartProps, "format" | "formatTime">> & { point: (index: number | null) => void };

/** The drawing, which is made once and then changed. */
function Plotted({ label, times, series, kind = "line", height = 200, format, formatTime, point }: PlottedProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const drawing: Drawing = { times, series, kind, height, format, formatTime, point };
  const newest = useRef(drawing);
  newest.current = drawing;
  useEffect(() => {
    let isGone = false;
    void import("../parts/chart.ts").then(({ draw }) => {
      if (!isGone && box.current) plot.current = draw(box.current, newest.current);
    });
    return () => {
      isGone = true;
      plot.current?.destroy();
    };
  }, [kind, height, series.length]);
  useEffect(() => plot.current?.update(drawing), [JSON.stringify([times, series])]);

  function move(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    plot.current?.step(by);
  }
  function sized(element: HTMLDivElement | null): void {
    box.current = element;
    element?.style.setProperty("block-size", `${height}px`);
  }
  const described = t("{label}. The arrow keys point at its figures, and a table with all of them follows.", { label });
  return <div class="plot" ref={sized} role="img" aria-label={described} tabIndex={0} onKeyDown={move} onBlur={() => point(null)} />;
}

function Figures({ label, times, series, format, formatTime }: Omit<PlottedProps, "point">) {
  return (
    <div class="table-frame" tabIndex={0}>
      <table class="table">
        <caption class="hidden">{label}</caption>
        <thead>
          <tr>
            <th scope="col">{t("Time")}</th>
            {series.map(({ label: name }) => (
              <th key={name} scope="col" class="end">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((_, row) => times.length - 1 - row).map((index) => (
            <tr key={times[index]}>
              <td>{formatTime(times[index]!)}</td>
              {series.map(({ label: name, values }) => (
                <td key={name} class="end">
                  {figure(values[index] ?? null, format)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
