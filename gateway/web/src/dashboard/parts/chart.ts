/** Draws charts with uPlot. */

import uPlot from "uplot";
import base from "uplot/dist/uPlot.min.css";
import { adoptStyles } from "../core/styles.ts";
import type { ChartProps } from "../kit/chart.tsx";

adoptStyles(base);
adoptStyles(".uplot{font-family:inherit;inline-size:100%}.u-legend{display:none}.u-cursor-pt{border-radius:50%}");

const COLORS = { accent: "--accent", ok: "--ok", warning: "--warning", danger: "--danger", quiet: "--quiet" } as const;

type Drawn = Required<Pick<ChartProps, "times" | "series" | "kind" | "height" | "format">>;

function options(box: HTMLElement, { series, kind, height, format }: Drawn): uPlot.Options {
  const style = getComputedStyle(box);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `11px ${style.fontFamily}` };
  const bars = uPlot.paths.bars?.({ size: [0.7, 40], radius: 0.15 });
  return {
    width: Math.max(box.clientWidth, 100),
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
    axes: [
      { ...axis, grid: { show: false } },
      { ...axis, size: 52, splits: (_, __, least, most) => wholeSteps(least, most), values: (_, values) => values.map((value) => format(value)) },
    ],
    series: [
      {},
      ...series.map(({ label, tone = "accent" }) => {
        const stroke = color(COLORS[tone]);
        const fill = `color-mix(in srgb, ${stroke} ${kind === "bars" ? 80 : 10}%, transparent)`;
        return { label, stroke, width: kind === "bars" ? 0 : 1.5, fill, points: { show: false }, ...(kind === "bars" && bars ? { paths: bars } : {}) };
      }),
    ],
  };
}

/** Return about four round figures between two. */
function wholeSteps(least: number, most: number): number[] {
  const rough = (most - least) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough || 1));
  const step = unit * ([1, 2, 5, 10].find((factor) => factor * unit >= rough) ?? 10);
  return Array.from({ length: Math.floor((most - least) / step) + 1 }, (_, index) => least + index * step);
}

/** Draw a chart into an element, and again when its size or the theme changes. Returns the function that removes it. */
export function draw(box: HTMLElement, drawn: Drawn): () => void {
  const data = [[...drawn.times], ...drawn.series.map(({ values }) => [...values])] as uPlot.AlignedData;
  let plot = new uPlot(options(box, drawn), data, box);
  const again = () => {
    plot.destroy();
    plot = new uPlot(options(box, drawn), data, box);
  };
  const resized = new ResizeObserver(() => plot.width !== box.clientWidth && plot.setSize({ width: Math.max(box.clientWidth, 100), height: drawn.height }));
  resized.observe(box);
  const themed = new MutationObserver(again);
  themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", again);
  return () => {
    resized.disconnect();
    themed.disconnect();
    system.removeEventListener("change", again);
    plot.destroy();
  };
}
