/** The command palette: go to a screen, a project or a user, or do something, by typing a part of its name. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { announce } from "../core/live_region.ts";
import { adoptStyles } from "../core/styles.ts";
import { plural, t } from "../core/text.ts";
import { Icon, type IconName } from "../kit/icons.tsx";
import { KeyHint } from "../kit/page.tsx";
import css from "./palette.css";

adoptStyles(css);

/** Something that the palette offers. */
export interface Command {
  id: string;
  label: string;
  /** What kind of thing it is. Commands of a group stand together. */
  group: string;
  icon: IconName;
  note?: string;
  keys?: string;
  run: () => void;
}

export interface PaletteProps {
  commands: readonly Command[];
  /** Return commands for a text that names something in the gateway, such as a user. */
  search: (text: string, signal: AbortSignal) => Promise<readonly Command[]>;
  onClose: () => void;
}

const SEARCHED_AFTER_MS = 150;
const MOST = 40;

/** Return how well a command fits a text: the lower the better, null if it does not. */
export function rank(command: Pick<Command, "label" | "group">, text: string): number | null {
  const label = command.label.toLowerCase();
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.every((word) => `${label} ${command.group.toLowerCase()}`.includes(word))) return null;
  const first = words[0] ?? "";
  if (label.startsWith(first)) return 0;
  return label.includes(` ${first}`) ? 1 : 2;
}

/** Return the commands that fit a text, the best of each group first, and the groups in their order. */
export function matching<T extends Pick<Command, "label" | "group">>(commands: readonly T[], text: string): T[] {
  const groups = [...new Set(commands.map(({ group }) => group))];
  const ranked = commands.map((command) => ({ command, at: rank(command, text) })).filter(({ at }) => at !== null);
  const best = (group: string) => Math.min(...ranked.filter(({ command }) => command.group === group).map(({ at }) => at as number));
  groups.sort((one, other) => best(one) - best(other));
  return groups.flatMap((group) =>
    ranked
      .filter(({ command }) => command.group === group)
      .sort((one, other) => (one.at as number) - (other.at as number))
      .map(({ command }) => command),
  );
}

/** Return what a text finds in the gateway, a moment after it was typed. */
function useFound(text: string, search: PaletteProps["search"]): readonly Command[] {
  const [found, setFound] = useState<readonly Command[]>([]);
  useEffect(() => {
    setFound([]);
    if (text.length < 2) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      search(text, controller.signal).then(
        (commands) => !controller.signal.aborted && setFound(commands),
        () => {}, // the rest of the palette is useful without it
      );
    }, SEARCHED_AFTER_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [text]);
  return found;
}

/** The palette. */
export default function Palette({ commands, search, onClose }: PaletteProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = useFound(text.trim(), search);
  const shown = [...matching(commands, text), ...found].slice(0, MOST);
  const current = shown[Math.min(at, shown.length - 1)];

  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  useEffect(() => setAt(0), [text]);
  useEffect(() => announce(plural(shown.length, "{n} result", "{n} results")), [shown.length]);
  useEffect(() => document.getElementById(`${id}-${current?.id}`)?.scrollIntoView({ block: "nearest" }), [current?.id]);

  function run(command: Command): void {
    onClose();
    command.run();
  }

  function move(event: KeyboardEvent): void {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setAt((to + shown.length) % Math.max(shown.length, 1));
    } else if (event.key === "Enter" && current) {
      event.preventDefault();
      run(current);
    }
  }

  return (
    <dialog
      class="palette"
      ref={dialog}
      aria-label={t("Search and commands")}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === dialog.current && onClose()}
    >
      <div class="palette-field">
        <Icon name="search" />
        <input
          role="combobox"
          aria-expanded
          aria-controls={id}
          aria-activedescendant={current && `${id}-${current.id}`}
          aria-label={t("Search and commands")}
          placeholder={t("Search for a page, a project, a user’s id or email…")}
          autocomplete="off"
          spellcheck={false}
          autofocus
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={move}
        />
        <KeyHint keys="Esc" />
      </div>
      <div class="palette-list" role="listbox" id={id} aria-label={t("Results")}>
        {shown.map((command, index) => (
          <div key={command.id} role="presentation">
            {command.group !== shown[index - 1]?.group && <h3 role="presentation">{command.group}</h3>}
            <div
              id={`${id}-${command.id}`}
              role="option"
              aria-selected={command === current}
              onMouseMove={() => setAt(index)}
              onClick={() => run(command)}
            >
              <Icon name={command.icon} />
              <span>{command.label}</span>
              {command.note && <span class="quiet small">{command.note}</span>}
              {command.keys && <KeyHint keys={command.keys} />}
            </div>
          </div>
        ))}
        {shown.length === 0 && <p class="quiet">{t("Nothing is called “{text}”.", { text })}</p>}
      </div>
    </dialog>
  );
}
