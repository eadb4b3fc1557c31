import { Hash } from "lucide-react";
import { type KeyboardEvent, type RefObject, useId, useState } from "react";
import { flushSync } from "react-dom";
import { ProjectDot } from "@/components/projects/project-dot";
import { useProjects } from "@/components/projects/use-projects";
import { complete, completionAt, type Option } from "./completion";
import { useView } from "./tasks-context";

/**
 * Complete the names of projects and labels in a field (the combobox pattern of WAI-ARIA, with the
 * focus in the field).
 *
 * @param write sets the text of the field.
 */
export function useCompletion(
  input: RefObject<HTMLInputElement | null>,
  line: string,
  write: (line: string) => void,
) {
  const { labels } = useView();
  const { active } = useProjects();
  const [caret, setCaret] = useState<number | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  const [dismissed, setDismissed] = useState("");
  const id = useId();
  const found =
    caret === null || dismissed === line
      ? null
      : completionAt(line, caret, { projects: active, labels });
  const options = found?.options ?? [];
  const index = chosen ?? (found?.takesFirst ? 0 : null);
  const current = index === null ? undefined : options[index % options.length];

  const follow = () => setCaret(input.current?.selectionStart ?? null);

  function take(option: Option) {
    if (!found) return;
    const next = complete(line, found, option);
    // The new text must be in the field before the caret is set.
    flushSync(() => {
      write(next.line);
      setChosen(null);
    });
    input.current?.focus();
    input.current?.setSelectionRange(next.caret, next.caret);
  }

  const step = (by: number) =>
    setChosen(((index ?? (by > 0 ? -1 : 0)) + by + options.length) % options.length);

  const keys: Readonly<Record<string, (() => void) | undefined>> = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Escape: () => setDismissed(line),
    ...(current && { Enter: () => take(current), Tab: () => take(current) }),
  };

  /** Handle a key press while the list is open. Returns whether the list used the key. */
  function onKey(event: KeyboardEvent): boolean {
    const hasModifier = event.metaKey || event.ctrlKey || event.altKey || event.shiftKey;
    const run = found && !hasModifier ? keys[event.key] : undefined;
    if (!run) return false;
    event.preventDefault();
    run();
    return true;
  }

  return {
    onKey,
    /** The props of the field. */
    props: {
      "aria-activedescendant": current ? `${id}-${current.id}` : undefined,
      "aria-autocomplete": "list" as const,
      "aria-controls": found ? id : undefined,
      "aria-expanded": found !== null,
      role: "combobox",
      // Not `onSelect`: React misses it in a field that had the focus before the page was
      // interactive.
      onInput: () => {
        follow();
        setChosen(null);
      },
      onKeyUp: follow,
      onClick: follow,
      onBlur: () => setCaret(null),
    },
    list: found && (
      <div
        aria-label={options[0]?.kind === "project" ? "Projects" : "Labels"}
        className="absolute inset-x-0 top-full z-20 mt-1 rounded-xl border border-line bg-surface p-1.5 shadow-lg"
        id={id}
        role="listbox"
      >
        {options.map((option) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field handles the keys
          <div
            aria-selected={option === current}
            className="flex min-h-9.5 cursor-pointer items-center gap-2 rounded-lg px-3 hover:bg-wash aria-selected:bg-wash"
            id={`${id}-${option.id}`}
            key={option.id}
            onClick={() => take(option)}
            // The field keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            role="option"
            tabIndex={-1}
          >
            {option.kind === "project" ? (
              <ProjectDot color={option.color} />
            ) : (
              <Hash aria-hidden="true" className="size-3.5 text-muted" />
            )}
            <bdi className="truncate">{option.name}</bdi>
          </div>
        ))}
      </div>
    ),
  };
}
