/** Draws charts with uPlot. */

import uPlot from "uplot";
import base from "uplot/dist/uPlot.min.css";
import { compact } from "../core/format.ts";
import { adoptStyles } from "../core/styles.ts";
import type { ChartProps } from "../kit/chart.tsx";

adoptStyles(base);
adoptStyles(".uplot{font-family:inherit}.u-cursor-pt{border-radius:50%}.u-hz .u-cursor-x{border-color:var(--border)}");

/** What is drawn. `point` is told the index of the figures under the pointer, null without one. */
export type Drawing = Required<Omit<ChartProps, "label" | "summary">> & { point: (index: number | null) => void };

export interface Plot {
  update(drawing: Drawing): void;
  /** Point at the next figures, or the previous ones. */
  step(by: number): void;
  destroy(): void;
}

const COLORS = { accent: "--accent", ok: "--ok", warning: "--warning", danger: "--danger", quiet: "--border" } as const;
const LABEL_PX = 72;

/** Draw a chart into an element, whose size and theme it follows. */
export function draw(box: HTMLElement, first: Drawing): Plot {
  let drawing = first;
  let plot = create();

  function create(): uPlot {
    return new uPlot(options(box, drawing, (index) => drawing.point(index)), dataOf(drawing), box);
  }
  function again(): void {
    plot.destroy();
    plot = create();
  }
  const resized = new ResizeObserver(() => plot.width !== box.clientWidth && plot.setSize(sizeOf(box, drawing)));
  resized.observe(box);
  const themed = new MutationObserver(again);
  themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", again);
  return {
    update(next) {
      drawing = next;
      plot.setData(dataOf(drawing));
    },
    step(by) {
      const last = drawing.times.length - 1;
      const from = plot.cursor.idx ?? (by > 0 ? -1 : last + 1);
      const time = drawing.times[Math.min(last, Math.max(0, from + by))];
      if (time !== undefined) plot.setCursor({ left: plot.valToPos(time, "x"), top: 0 });
    },
    destroy() {
      resized.disconnect();
      themed.disconnect();
      system.removeEventListener("change", again);
      plot.destroy();
    },
  };
}

const sizeOf = (box: HTMLElement, { height }: Drawing) => ({ width: Math.max(box.clientWidth, 100), height });
const dataOf = ({ times, series }: Drawing) => [[...times], ...series.map(({ values }) => [...values])] as uPlot.AlignedData;

/** Return a function that resolves colours of the theme, which canvases do not. */
function palette(box: HTMLElement): (color: string) => string {
  const probe = box.appendChild(document.createElement("i"));
  probe.hidden = true;
  return (color) => {
    probe.style.setProperty("color", color);
    return getComputedStyle(probe).color;
  };
}

function options(box: HTMLElement, drawing: Drawing, point: (index: number | null) => void): uPlot.Options {
  const { series, kind, format, formatTime } = drawing;
  const color = palette(box);
  const axis = { stroke: color("var(--quiet)"), ticks: { show: false }, font: `11px ${getComputedStyle(box).fontFamily}` };
  const isBars = kind === "bars";
  const lines = series.map(({ label, tone = "accent" }, index) => {
    const paint = `var(${COLORS[tone]})`;
    return {
      label,
      stroke: color(paint),
      width: isBars ? 0 : 1.5,
      fill: color(isBars ? paint : `color-mix(in srgb, ${paint} ${index === 0 ? 12 : 0}%, transparent)`),
      points: { show: false },
      ...(isBars ? { paths: uPlot.paths.bars!({ size: [0.6, 36], radius: 0.1 }) } : {}),
    };
  });
  return {
    ...sizeOf(box, drawing),
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7, show: !isBars }, drag: { setScale: false, x: false, y: false } },
    scales: { x: { range: (_, least, most) => widened(isBars, drawing.times, least, most) }, y: { range: (_, __, most) => [0, niceMax(most ?? 0)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, splits: (plot) => labelled(plot, isBars), values: (_, times) => times.map(formatTime) },
      { ...axis, grid: { stroke: color("var(--line)"), width: 1 }, size: 44, space: 40, incrs: WHOLE, values: (_, values) => values.map((value) => (value < 10_000 ? format(value) : compact(value))) },
    ],
    series: [{}, ...lines],
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? null)] },
  };
}

/** Return the ends of the axis of time: bars need half of their distance beside the first and the last. */
function widened(isBars: boolean, times: readonly number[], least: number, most: number): [number, number] {
  if (times.length < 2) return [least - 1, most + 1];
  const half = isBars ? (most - least) / (times.length - 1) / 2 : 0;
  return [least - half, most + half];
}

/** Return the times that have a label: as many as there is space for, at round minutes. */
function labelled(plot: uPlot, isBars: boolean): number[] {
  const times = plot.data[0] as number[];
  const fit = Math.max(1, Math.floor(plot.bbox.width / devicePixelRatio / LABEL_PX));
  const step = (times[1] ?? 0) - (times[0] ?? 0);
  const every = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 240].find((size) => times.length / size <= fit) ?? times.length;
  return times.filter((time, index) => (isBars ? (times.length - 1 - index) % every === 0 : Math.round(time / step) % every === 0));
}

/** Distances of the lines: whole figures, because people and messages are counted. */
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((factor) => factor * 10 ** power)).flat();

/** Return the end of a scale from 0 that holds a value: a round figure, and at least 4. */
function niceMax(value: number): number {
  const wanted = Math.max(value, 4);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= wanted) ?? 10) * power;
}
