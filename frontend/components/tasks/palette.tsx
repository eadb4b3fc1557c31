"use client";

import { Command } from "cmdk";
import { type ReactNode, useRef, useState } from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import type { Project } from "@/components/projects/project";
import { ProjectDot } from "@/components/projects/project-dot";
import { useProjectActions } from "@/components/projects/use-project-actions";
import { useProjects } from "@/components/projects/use-projects";
import { ToastOutlet } from "@/components/toasts/toasts";
import type { Task } from "./task";
import { useApp, useStored, useView } from "./tasks-context";
import { lengthProblem, oneLine } from "./text";
import { type Actions, describeTasks } from "./use-actions";
import { LIST_NAMES, LISTS, type ListName, viewOf, viewPredicate } from "./view";

const MAX_TASKS_FOUND = 8;
const DEFAULT_VIEW = viewOf(new URLSearchParams());
/** The lists that are searched: open tasks come first. */
const SEARCHED_LISTS: readonly ListName[] = ["all", "completed", "trash"];

export type PaletteCommand = { name: string; keys?: string; run: () => void };

/** What the palette asks for: a command, the name of a new project, or a project for some tasks. */
type Question = "command" | "name" | "project";

const PLACEHOLDERS: Readonly<Record<Question, string>> = {
  command: "Find a task, a view or a command",
  name: "Name of the new project",
  project: "Move to which project?",
};

type Props = {
  commands: readonly PaletteCommand[];
  /** The selected tasks, or the task whose row has the focus. */
  targets: readonly Task[];
  actions: Actions;
  onOpen: (task: Task) => void;
  onClose: () => void;
};

/** The command palette: finds views, projects, labels, commands and tasks by name. */
export default function Palette({ commands, targets, actions, onOpen, onClose }: Props) {
  const { show } = useApp();
  const { labels } = useView();
  const dialog = useRef<HTMLDialogElement>(null);
  const { active } = useProjects();
  const [question, setQuestion] = useState<Question>("command");
  const [text, setText] = useState("");
  useDialog(dialog, onClose);

  function choose(run: () => void) {
    onClose();
    run();
  }

  function ask(next: Question) {
    setQuestion(next);
    setText("");
  }

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it; Escape does the same
    <dialog
      aria-label="Commands"
      className="palette"
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      ref={dialog}
    >
      <Command label="Commands" loop={true} shouldFilter={question !== "name"}>
        <Command.Input
          dir="auto"
          className="h-13 w-full border-b border-line bg-transparent px-4 outline-none placeholder:text-muted"
          data-autofocus={true}
          onValueChange={setText}
          placeholder={PLACEHOLDERS[question]}
          value={text}
        />
        <Command.List className="max-h-[min(24rem,60dvh)] overflow-y-auto p-1.5" tabIndex={0}>
          {question !== "name" && (
            <Command.Empty className="px-3 py-8 text-center text-sm text-muted">
              No results.
            </Command.Empty>
          )}
          {question === "name" && <NewProject name={oneLine(text)} onCreated={onClose} />}
          {question === "project" && (
            <MoveTo
              onSelect={(project) => choose(() => actions.setProject(targets, project?.id ?? null))}
              tasks={targets}
            />
          )}
          {question === "command" && text.trim() && (
            <FoundTasks onSelect={(task) => choose(() => onOpen(task))} text={text} />
          )}
          {question === "command" && (
            <>
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
                {active.map((project) => (
                  <Entry
                    key={project.id}
                    onSelect={() => choose(() => show({ project: project.id }))}
                    value={`project ${project.name} ${project.id}`}
                  >
                    <ProjectDot color={project.color} />
                    <bdi className="truncate">{project.name}</bdi>
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
                <Entry onSelect={() => ask("name")} value="new project">
                  New project
                </Entry>
                {targets.length > 0 && active.length > 0 && (
                  <Entry onSelect={() => ask("project")} value="move to a project">
                    Move {describeTasks(targets)} to a project
                  </Entry>
                )}
                {commands.map(({ name, keys, run }) => (
                  <Entry key={name} onSelect={() => choose(run)} value={name}>
                    {name}
                    {keys && <kbd className="key ml-auto">{keys}</kbd>}
                  </Entry>
                ))}
              </Command.Group>
            </>
          )}
        </Command.List>
      </Command>
      <ToastOutlet />
    </dialog>
  );
}

/** The tasks in which a text is found, the open ones first. */
function FoundTasks({ text, onSelect }: { text: string; onSelect: (task: Task) => void }) {
  const { today } = useApp();
  const tasks = useStored(({ tables }) => tables.tasks.ordered("newest"));
  const found: Task[] = [];
  for (const list of SEARCHED_LISTS) {
    const isFound = viewPredicate({ ...DEFAULT_VIEW, list, search: text }, today);
    for (const task of tasks) {
      if (found.length < MAX_TASKS_FOUND && isFound(task)) found.push(task);
    }
  }
  if (found.length === 0) return null;
  return (
    <Command.Group heading="Tasks">
      {found.map((task) => (
        <Entry
          key={task.id}
          onSelect={() => onSelect(task)}
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
  );
}

type MoveToProps = { tasks: readonly Task[]; onSelect: (project: Project | null) => void };

function MoveTo({ tasks, onSelect }: MoveToProps) {
  const { active } = useProjects();
  return (
    <Command.Group heading={`Move ${describeTasks(tasks)} to`}>
      {active.map((project) => (
        <Entry
          key={project.id}
          onSelect={() => onSelect(project)}
          value={`${project.name} ${project.id}`}
        >
          <ProjectDot color={project.color} />
          <bdi className="truncate">{project.name}</bdi>
        </Entry>
      ))}
      <Entry onSelect={() => onSelect(null)} value="no project">
        No project
      </Entry>
    </Command.Group>
  );
}

/** Creates a project with the typed name and shows it. */
function NewProject({ name, onCreated }: { name: string; onCreated: () => void }) {
  const { show } = useApp();
  const { create } = useProjectActions();
  const problem = lengthProblem("project name", name);
  if (problem) {
    return (
      <p className="px-3 py-8 text-center text-sm text-danger" role="alert">
        {problem}
      </p>
    );
  }
  if (!name) return null;
  return (
    <Entry
      onSelect={() => {
        onCreated();
        show({ project: create(name) });
      }}
      value="create"
    >
      Create “<bdi className="truncate">{name}</bdi>”
    </Entry>
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
