/** Icons: paths on a field of 16 units, drawn with a line of 1.5. */

const PATHS = {
  overview: "M2.5 8.5 8 3l5.5 5.5M4 7.5V13h8V7.5",
  compose: "M11 2.5 13.5 5 6 12.5l-3 .5.5-3L11 2.5ZM9.5 4 12 6.5",
  bell: "M8 2a3.5 3.5 0 0 0-3.5 3.5V8L3 11h10l-1.5-3V5.5A3.5 3.5 0 0 0 8 2ZM6.5 13a1.5 1.5 0 0 0 3 0",
  broadcast: "M3 6.5v3h2l4.5 3v-9l-4.5 3H3ZM12 5.5a3.5 3.5 0 0 1 0 5",
  users: "M6 7.5a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5ZM2 13c0-2.2 1.8-3.5 4-3.5s4 1.3 4 3.5M10.5 3.3a2.25 2.25 0 0 1 0 4M12 9.8c1.2.5 2 1.6 2 3.2",
  deliveries: "M2 4h12v8H2V4ZM2.5 4.5 8 9l5.5-4.5",
  live: "M2 8h2.5l2-4.5 3 9 2-4.5H14",
  channels: "M3 4h6M12 4h1M3 8h1M7 8h6M3 12h6M12 12h1M9 2.5v3M4 6.5v3M9 10.5v3",
  design: "M8 2a6 6 0 1 0 0 12c1 0 1.3-.6 1.3-1.2 0-.9-.8-1-.8-1.8 0-.6.5-1 1.2-1H11a3 3 0 0 0 3-3c0-2.8-2.7-5-6-5ZM5 7.5h0M7 5h0M10.5 5.5h0",
  keys: "M10 6.5a3 3 0 1 1-1-2.2M9.5 8 14 8M12 8v2M14 8v1.5M6.8 6.5h0",
  usage: "M3 13V9M6.5 13V4M10 13V7M13.5 13V2.5",
  settings: "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM8 2v1.6M8 12.4V14M2 8h1.6M12.4 8H14M3.8 3.8l1.1 1.1M11.1 11.1l1.1 1.1M3.8 12.2l1.1-1.1M11.1 4.9l1.1-1.1",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3 13.5 13.5",
  plus: "M8 3v10M3 8h10",
  close: "m4 4 8 8M12 4l-8 8",
  check: "m3 8.5 3.5 3.5L13 4.5",
  copy: "M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3V5.5Z",
  terminal: "m3 5 3 3-3 3M8 11.5h5",
  more: "M3.5 8h0M8 8h0M12.5 8h0",
  down: "m4.5 6.5 3.5 3.5 3.5-3.5",
  right: "m6.5 4.5 3.5 3.5-3.5 3.5",
  left: "M9.5 4.5 6 8l3.5 3.5",
  switch: "m5 6 3-3 3 3M5 10l3 3 3-3",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 2v1M8 13v1M2 8h1M13 8h1M3.8 3.8l.7.7M11.5 11.5l.7.7M3.8 12.2l.7-.7M11.5 4.5l.7-.7",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z",
  screen: "M2.5 3.5h11v7h-11v-7ZM6 13h4M8 10.5V13",
  user: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c0-2.5 2.2-4 5-4s5 1.5 5 4",
  leave: "M6.5 3H3v10h3.5M7 8h6.5M11 5.5 13.5 8 11 10.5",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5M7 7v3.5M9 7v3.5",
  edit: "M10.5 3 13 5.5 6 12.5l-3 .5.5-3L10.5 3Z",
  refresh: "M13 8a5 5 0 1 1-1.5-3.5M13 2.5V5h-2.5",
  retry: "M3 8a5 5 0 1 0 1.5-3.5M3 2.5V5h2.5",
  send: "M13.5 2.5 7 9M13.5 2.5 9.5 13.5 7 9 2.5 6.5l11-4Z",
  download: "M8 2.5v7M5 7l3 3 3-3M3 13h10",
  upload: "M8 10V3M5 5.5 8 2.5l3 3M3 13h10",
  link: "M6.5 9.5a2.5 2.5 0 0 0 3.5 0l2.5-2.5A2.5 2.5 0 1 0 9 3.5l-1 1M9.5 6.5a2.5 2.5 0 0 0-3.5 0L3.5 9A2.5 2.5 0 1 0 7 12.5l1-1",
  external: "M9 3h4v4M13 3 7.5 8.5M11 9.5V13H3V5h3.5",
  warning: "M8 2.5 14 13H2L8 2.5ZM8 6.5V9M8 11h0",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.5V11M8 5h0",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 5v3l2 1.5",
  lock: "M4 7.5h8V13H4V7.5ZM5.5 7.5V5.5a2.5 2.5 0 0 1 5 0v2",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3v10l8-5-8-5Z",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  phone: "M5 2h6v12H5V2ZM7.5 12h1",
  mail: "M2 4h12v8H2V4ZM2.5 4.5 8 9l5.5-4.5",
  chat: "M2.5 3h11v8H7l-3 2.5V11H2.5V3Z",
  webhook: "M6 4.5a2.2 2.2 0 1 1 3.3 1.9L11 9.5M5.2 7.3 3.8 10M4 12.5a2 2 0 1 0 2-2h6M12 12.5a2 2 0 1 0-1-3.6",
  shield: "M8 2 3 4v4c0 3 2 5 5 6 3-1 5-3 5-6V4L8 2Z",
  log: "M4 2.5h8v11H4v-11ZM6 5.5h4M6 8h4M6 10.5h2",
  workspaces: "m8 2 6 3-6 3-6-3 6-3ZM2 8l6 3 6-3M2 11l6 3 6-3",
  folder: "M2 4h4l1.5 1.5H14V12.5H2V4Z",
} as const;

export type IconName = keyof typeof PATHS;

export interface IconProps {
  name: IconName;
  /** The edge in pixels. */
  size?: number;
  /** What it means, if no text beside it says so. */
  label?: string;
  class?: string;
}

/** An icon in the colour of the text. */
export function Icon({ name, size = 16, label, class: className = "" }: IconProps) {
  const named = label ? { role: "img" as const, "aria-label": label } : { "aria-hidden": true as const };
  return (
    <svg class={`icon ${className}`} viewBox="0 0 16 16" width={size} height={size} {...named}>
      <path d={PATHS[name]} />
    </svg>
  );
}
