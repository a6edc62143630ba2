/** A chart over time, with its figures as a table for those who cannot see it. The library is loaded when it is shown. */

import { useEffect, useRef } from "preact/hooks";
import { dateTime, number } from "../core/format.ts";
import { t } from "../core/text.ts";

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
}

/** A chart. */
export function Chart({ label, times, series, kind = "line", height = 200, format = number, formatTime = dateTime }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const key = JSON.stringify([times, series, kind, height]);
  useEffect(() => {
    let destroy = (): void => {};
    let isGone = false;
    void import("../parts/chart.ts").then(({ draw }) => {
      if (!isGone && box.current) destroy = draw(box.current, { times, series, kind, height, format });
    });
    return () => {
      isGone = true;
      destroy();
    };
  }, [key]);
  return (
    <figure class="chart">
      <figcaption>
        {series.map(({ label: name, tone = "accent" }) => (
          <span key={name} class={`legend ${tone}`}>
            {name}
          </span>
        ))}
      </figcaption>
      <div ref={(element) => {
        box.current = element;
        element?.style.setProperty("block-size", `${height}px`);
      }} aria-hidden="true" />
      <details>
        <summary>{t("Show as a table")}</summary>
        <div class="table-frame">
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
              {times.map((time, index) => (
                <tr key={time}>
                  <td>{formatTime(time)}</td>
                  {series.map(({ label: name, values }) => (
                    <td key={name} class="end">
                      {values[index] === null || values[index] === undefined ? "–" : format(values[index])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
