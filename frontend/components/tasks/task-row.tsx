"use client";

import { CalendarDays, Check, Flag, GripVertical, RotateCcw, Trash2 } from "lucide-react";
import { type KeyboardEvent, type MouseEvent, memo, useEffect, useId, useState } from "react";
import { usePageLeave } from "@/components/keyboard/use-page-leave";
import type { Project } from "@/components/projects/project";
import { ProjectDot } from "@/components/projects/project-dot";
import { LabelDot } from "./label-dot";
import { excerpt, formatDay, nearness, PRIORITY_NAMES, type Task } from "./task";
import { useApp } from "./tasks-context";
import { lengthProblem, oneLine } from "./text";
import type { Actions } from "./use-actions";

export type RowProps = {
  task: Task;
  today: string;
  isSelected: boolean;
  /** Whether rows show a checkbox to select them. */
  isSelecting: boolean;
  isRenaming: boolean;
  isPending: boolean;
  canMove: boolean;
  actions: Actions;
  onOpen: (task: Task) => void;
  onSelect: (task: Task, isRange: boolean) => void;
  onRename: (task: Task | null) => void;
  onDelete: (task: Task) => void;
  /** The project of the task, unless the view shows only tasks of this project. */
  project?: Project | null;
};

/** One task of a list. */
export const TaskRow = memo((props: RowProps) => {
  const { task, isSelected, isSelecting, isRenaming, isPending, canMove, actions } = props;
  const { title, completed } = task;
  const isTrashed = task.trashedAt !== null;

  function onMouseDown(event: MouseEvent) {
    // Shift selects a range. It must neither select text nor move the start of the range.
    if (event.shiftKey) event.preventDefault();
  }

  function onClick(event: MouseEvent) {
    if (!(event.metaKey || event.ctrlKey || event.shiftKey) || isControl(event)) return;
    event.preventDefault();
    props.onSelect(task, event.shiftKey);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a short cut; keys and the box do the same
    // biome-ignore lint/a11y/useKeyWithClickEvents: x
    <div
      className="task-row"
      data-completed={completed}
      data-selected={isSelected}
      onClick={onClick}
      onDoubleClick={(event) => isControl(event) || props.onRename(task)}
      onMouseDown={onMouseDown}
    >
      {canMove && <GripVertical aria-hidden="true" className="drag-handle" />}
      {isSelecting ? (
        <input
          aria-label={`Select: ${title}`}
          checked={isSelected}
          className="mx-px size-4.5 shrink-0 accent-accent"
          onChange={({ nativeEvent }) =>
            props.onSelect(task, "shiftKey" in nativeEvent && nativeEvent.shiftKey === true)
          }
          tabIndex={-1}
          type="checkbox"
        />
      ) : (
        <span className="task-checkbox" data-priority={task.priority}>
          <input
            aria-label={`Completed: ${title}`}
            checked={completed}
            disabled={isTrashed}
            onChange={(event) => actions.complete([task], event.target.checked)}
            tabIndex={-1}
            type="checkbox"
          />
          <Check aria-hidden="true" strokeWidth={3} />
        </span>
      )}
      {isRenaming ? (
        <Rename {...props} />
      ) : (
        <div className="task-text">
          <button
            aria-label={`Edit details: ${title}`}
            className="task-title"
            data-title={true}
            dir="auto"
            onClick={(event) => {
              if (!(event.metaKey || event.ctrlKey || event.shiftKey)) props.onOpen(task);
            }}
            tabIndex={-1}
            type="button"
          >
            {title}
          </button>
          <TaskDetails project={props.project ?? null} task={task} today={props.today} />
        </div>
      )}
      {isPending && (
        <span aria-label="Waiting to be saved" className="pending-mark" role="img">
          <span aria-hidden="true" className="pending-dot block size-2 rounded-full bg-muted" />
        </span>
      )}
      {isTrashed ? (
        <>
          <button
            aria-label={`Restore: ${title}`}
            className="button-quiet shrink-0"
            onClick={() => actions.restore([task])}
            tabIndex={-1}
            type="button"
          >
            <RotateCcw aria-hidden="true" className="size-4" />
          </button>
          <button
            aria-label={`Delete permanently: ${title}`}
            className="button-quiet shrink-0"
            onClick={() => props.onDelete(task)}
            tabIndex={-1}
            type="button"
          >
            <Trash2 aria-hidden="true" className="size-4" />
          </button>
        </>
      ) : (
        <button
          aria-label={`Move to trash: ${title}`}
          className="row-action button-quiet shrink-0"
          onClick={() => actions.trash([task])}
          tabIndex={-1}
          type="button"
        >
          <Trash2 aria-hidden="true" className="size-4" />
        </button>
      )}
    </div>
  );
});

/** Whether a checkbox or button of the row was clicked. These work with any modifier key. */
function isControl({ target }: MouseEvent): boolean {
  return target instanceof Element && target.closest("input, button:not([data-title])") !== null;
}

type DetailsProps = { task: Task; today: string; project: Project | null };

/** The beginning of the description, the due date, the priority, the project and the labels. */
function TaskDetails({ task, today, project }: DetailsProps) {
  const { dueOn, priority, labels } = task;
  const note = excerpt(task.description);
  const hasFacts = dueOn !== null || priority !== "NONE" || labels.length > 0 || project !== null;
  if (!(hasFacts || note)) return null;
  return (
    <div className="task-details">
      <div>
        {note && (
          <p className="task-note" dir="auto">
            {note}
          </p>
        )}
        <p className="task-facts">
          {dueOn !== null && (
            <span className="fact" data-due={nearness(dueOn, today)}>
              <CalendarDays aria-hidden="true" />
              {formatDay(dueOn, today)}
            </span>
          )}
          {priority !== "NONE" && (
            <span className="fact" data-priority={priority}>
              <Flag aria-hidden="true" />
              {PRIORITY_NAMES[priority]}
            </span>
          )}
          {project && (
            <span className="fact">
              <ProjectDot color={project.color} />
              <bdi>{project.name}</bdi>
            </span>
          )}
          {labels.map((label) => (
            <span className="fact" key={label}>
              <LabelDot label={label} />
              <bdi>{label}</bdi>
            </span>
          ))}
        </p>
      </div>
    </div>
  );
}

/** Edits the title in place. Enter or leaving the field saves it, Escape discards it. */
function Rename({ task, actions, onRename }: RowProps) {
  const { hold } = useApp();
  const [title, setTitle] = useState(task.title);
  const [baseTitle, setBaseTitle] = useState(task.title);
  const id = useId();
  const text = oneLine(title);
  const problem = lengthProblem("title", text);

  function save() {
    if (!text || problem || text === baseTitle) return;
    actions.write(task, { title: text }, { title: baseTitle });
    setBaseTitle(text);
  }

  function saveAndClose() {
    save();
    if (!problem) onRename(null);
  }

  function onKeyDown(event: KeyboardEvent) {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    // Otherwise the key would also act on the element that gets the focus.
    event.preventDefault();
    if (event.key === "Enter") saveAndClose();
    else onRename(null);
  }

  usePageLeave(save);
  useEffect(() => hold(), [hold]);
  return (
    <div className="my-1.5 min-w-0 flex-1">
      <input
        aria-describedby={`${id}-problem`}
        aria-invalid={problem !== null || undefined}
        aria-label="Title"
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: the person asked to write here
        autoFocus={true}
        className="w-full rounded-md bg-paper px-2 py-1 outline-2 outline-accent"
        dir="auto"
        onBlur={saveAndClose}
        onChange={(event) => setTitle(event.target.value)}
        onFocus={(event) => event.target.select()}
        onKeyDown={onKeyDown}
        value={title}
      />
      <p className="px-2 text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {problem}
      </p>
    </div>
  );
}
