"use client";

import { RotateCcw, Trash2, X } from "lucide-react";
import { type ReactNode, useId, useRef, useState } from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import { DueField } from "@/components/due/due-field";
import { ProjectSelect } from "@/components/projects/project-select";
import { ToastOutlet } from "@/components/toasts/toasts";
import type { Priority } from "@/gql/graphql";
import { onDemand } from "@/lib/on-demand";
import type { UnsavedText } from "./draft";
import { LabelsField } from "./labels-field";
import { PRIORITIES, PRIORITY_NAMES, type Task } from "./task";
import { useApp } from "./tasks-context";
import type { Actions } from "./use-actions";
import { useTextEdit } from "./use-text-edit";

const Markdown = onDemand(async () => (await import("./markdown")).default);

/** From this width on, the panel is next to the list, which stays usable. */
const BESIDE_LIST = "(min-width: 75rem)";

type Props = {
  task: Task;
  actions: Actions;
  /** Text that was typed here before a reload or a sign-in. */
  unsavedText: UnsavedText | null;
  onClose: () => void;
  onDelete: (task: Task) => void;
};

/** All details of one task, editable. */
export function TaskPanel({ task, actions, unsavedText, onClose, onDelete }: Props) {
  const { today } = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  const { typed, problems, isSaved, type, leave, onSelect, composition } = useTextEdit(
    task,
    unsavedText,
    actions.write,
  );
  const [isWriting, setWriting] = useState(unsavedText !== null || task.description === "");
  const id = useId();
  const isTrashed = task.trashedAt !== null;

  function close() {
    leave();
    const isUnsaveable = Object.keys(problems).length > 0;
    if (isUnsaveable) dialog.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
    else onClose();
  }

  const isModal = useDialog(dialog, close, BESIDE_LIST);

  const description = typed.description ?? task.description;
  return (
    <dialog
      aria-label="Task details"
      className="panel"
      {...composition}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          // Otherwise a dialog that opens meanwhile would be closed by the same key.
          event.preventDefault();
          close();
        }
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) close();
      }}
      ref={dialog}
    >
      <div className="flex items-center justify-between gap-2">
        <p className="text-xs text-muted" role="status">
          {isSaved ? "Saved automatically" : "Not saved yet"}
        </p>
        <button aria-label="Close details" className="button-quiet" onClick={close} type="button">
          <X aria-hidden="true" className="size-4.5" />
        </button>
      </div>
      <textarea
        aria-describedby={`${id}-title-problem`}
        aria-invalid={problems.title !== undefined || undefined}
        aria-label="Title"
        className="mt-2 field-sizing-content w-full resize-none rounded-lg bg-transparent px-2 py-1.5 -mx-2 text-xl leading-snug font-semibold tracking-tight"
        dir="auto"
        onBlur={leave}
        onChange={(event) => type("title", event.target.value.replace(/\n/g, " "))}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.metaKey && !event.ctrlKey) {
            event.preventDefault();
            event.currentTarget.blur();
          }
        }}
        onSelect={onSelect}
        rows={1}
        value={typed.title ?? task.title}
      />
      <FieldProblem id={`${id}-title-problem`}>{problems.title}</FieldProblem>
      <dl className="mt-4 grid grid-cols-[5.5rem_1fr] items-center gap-y-2 text-sm">
        <Row label="Due" of={`${id}-due`}>
          <DueField
            day={task.dueOn}
            id={`${id}-due`}
            onChange={(day) => actions.setDue([task], day)}
            today={today}
          />
        </Row>
        <Row label="Priority" of={`${id}-priority`}>
          <select
            className="small-field"
            id={`${id}-priority`}
            onChange={(event) => actions.setPriority([task], event.target.value as Priority)}
            value={task.priority}
          >
            {PRIORITIES.map((priority) => (
              <option key={priority} value={priority}>
                {PRIORITY_NAMES[priority]}
              </option>
            ))}
          </select>
        </Row>
        <Row label="Project" of={`${id}-project`}>
          <ProjectSelect
            id={`${id}-project`}
            onChange={(project) => actions.setProject([task], project)}
            value={task.project?.id ?? null}
          />
        </Row>
        <Row label="Labels">
          <LabelsField
            labels={task.labels}
            onAdd={(label) => actions.addLabel([task], label)}
            onRemove={(label) => actions.removeLabel([task], label)}
          />
        </Row>
      </dl>
      <div className="mt-5 flex items-center justify-between">
        <label className="text-sm font-medium" htmlFor={`${id}-description`}>
          Description
        </label>
        {description !== "" && (
          <button
            className="link text-sm"
            onClick={() => {
              if (isWriting) leave();
              setWriting(!isWriting);
            }}
            type="button"
          >
            {isWriting ? "Preview" : "Edit description"}
          </button>
        )}
      </div>
      {isWriting ? (
        <textarea
          aria-describedby={`${id}-description-problem`}
          aria-invalid={problems.description !== undefined || undefined}
          className="mt-2 field-sizing-content min-h-36 w-full rounded-lg border border-line bg-paper px-3 py-2.5 text-[0.9375rem] leading-relaxed placeholder:text-muted"
          dir="auto"
          id={`${id}-description`}
          onBlur={leave}
          onChange={(event) => type("description", event.target.value)}
          onSelect={onSelect}
          placeholder="Notes, links, a list. Markdown works."
          value={description}
        />
      ) : (
        // biome-ignore lint/a11y/noStaticElementInteractions: the button above does the same
        <div className="prose mt-2" onDoubleClick={() => setWriting(true)}>
          <Markdown text={description} />
        </div>
      )}
      <FieldProblem id={`${id}-description-problem`}>{problems.description}</FieldProblem>
      <div className="mt-6 flex flex-wrap gap-2 border-t border-line pt-4">
        {isTrashed ? (
          <>
            <button className="button" onClick={() => actions.restore([task])} type="button">
              <RotateCcw aria-hidden="true" className="size-4" /> Restore
            </button>
            <button className="button button-danger" onClick={() => onDelete(task)} type="button">
              Delete permanently
            </button>
          </>
        ) : (
          <>
            <button
              className="button"
              onClick={() => actions.complete([task], !task.completed)}
              type="button"
            >
              {task.completed ? "Reopen" : "Complete"}
            </button>
            <button
              className="button"
              onClick={() => {
                actions.trash([task]);
                onClose();
              }}
              type="button"
            >
              <Trash2 aria-hidden="true" className="size-4" /> Move to trash
            </button>
          </>
        )}
      </div>
      {isModal && <ToastOutlet />}
    </dialog>
  );
}

function FieldProblem({ id, children }: { id: string; children: string | undefined }) {
  return (
    <p className="mt-1 text-sm text-danger empty:hidden" id={id} role="alert">
      {children}
    </p>
  );
}

function Row({ label, of, children }: { label: string; of?: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{of ? <label htmlFor={of}>{label}</label> : label}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}
