"use client";

import { Command } from "cmdk";
import { type ReactNode, useRef, useState } from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import { ToastOutlet } from "@/components/toasts/toasts";
import type { Task } from "./task";
import { useTasks } from "./tasks-context";
import { LIST_NAMES, LISTS, type ListName, viewOf, viewPredicate } from "./view";

const MAX_TASKS_FOUND = 8;
const DEFAULT_VIEW = viewOf(new URLSearchParams());
/** The lists that are searched: open tasks come first. */
const SEARCHED_LISTS: readonly ListName[] = ["all", "completed", "trash"];

export type PaletteCommand = { name: string; keys?: string; run: () => void };

type Props = {
  commands: readonly PaletteCommand[];
  onOpen: (task: Task) => void;
  onClose: () => void;
};

/** The command palette: finds views, labels, commands and tasks by name. */
export default function Palette({ commands, onOpen, onClose }: Props) {
  const { store, labels, today, show } = useTasks();
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  useDialog(dialog, onClose);

  const found: Task[] = [];
  if (text.trim()) {
    const lists = SEARCHED_LISTS.map((list) =>
      viewPredicate({ ...DEFAULT_VIEW, list, search: text }, today),
    );
    for (const isFound of lists) {
      for (const task of store.tables.tasks.ordered("newest")) {
        if (found.length < MAX_TASKS_FOUND && isFound(task)) found.push(task);
      }
    }
  }

  function choose(run: () => void) {
    onClose();
    run();
  }

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it; Escape does the same
    <dialog
      aria-label="Commands"
      className="palette"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      ref={dialog}
    >
      <Command label="Commands" loop={true}>
        <Command.Input
          dir="auto"
          className="h-13 w-full border-b border-line bg-transparent px-4 outline-none placeholder:text-muted"
          data-autofocus={true}
          onValueChange={setText}
          placeholder="Find a task, a view or a command"
          value={text}
        />
        <Command.List className="max-h-[min(24rem,60dvh)] overflow-y-auto p-1.5" tabIndex={0}>
          <Command.Empty className="px-3 py-8 text-center text-sm text-muted">
            No results.
          </Command.Empty>
          {found.length > 0 && (
            <Command.Group heading="Tasks">
              {found.map((task) => (
                <Entry
                  key={task.id}
                  onSelect={() => choose(() => onOpen(task))}
                  value={`${task.title} ${task.description} ${task.labels.join(" ")} ${task.id}`}
                >
                  <bdi className="truncate">{task.title}</bdi>
                  {(task.completed || task.trashedAt !== null) && (
                    <span className="ms-auto text-xs text-muted">
                      {LIST_NAMES[task.trashedAt === null ? "completed" : "trash"]}
                    </span>
                  )}
                </Entry>
              ))}
            </Command.Group>
          )}
          <Command.Group heading="Go to">
            {LISTS.map((list) => (
              <Entry
                key={list}
                onSelect={() => choose(() => show({ list }))}
                value={`go to ${list}`}
              >
                {LIST_NAMES[list]}
              </Entry>
            ))}
            {labels.map((label) => (
              <Entry
                key={label}
                onSelect={() => choose(() => show({ list: "all", label }))}
                value={`label ${label}`}
              >
                # <bdi>{label}</bdi>
              </Entry>
            ))}
          </Command.Group>
          <Command.Group heading="Commands">
            {commands.map(({ name, keys, run }) => (
              <Entry key={name} onSelect={() => choose(run)} value={name}>
                {name}
                {keys && <kbd className="key ml-auto">{keys}</kbd>}
              </Entry>
            ))}
          </Command.Group>
        </Command.List>
      </Command>
      <ToastOutlet />
    </dialog>
  );
}

type EntryProps = { value: string; onSelect: () => void; children: ReactNode };

function Entry({ value, onSelect, children }: EntryProps) {
  return (
    <Command.Item className="palette-entry" onSelect={onSelect} value={value}>
      {children}
    </Command.Item>
  );
}
