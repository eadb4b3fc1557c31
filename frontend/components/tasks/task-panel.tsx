"use client";

import { RotateCcw, Trash2, X } from "lucide-react";
import dynamic from "next/dynamic";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import { useSession } from "@/components/graphql/graphql";
import { ToastOutlet } from "@/components/toasts/toasts";
import type { Priority } from "@/gql/graphql";
import { type Edit, settleEdit, writeEdit } from "./draft";
import type { Text } from "./edit";
import { LabelsField } from "./labels-field";
import { addDays, MAX_DESCRIPTION, MAX_TITLE, PRIORITIES, PRIORITY_NAMES, type Task } from "./task";
import { useTasks } from "./tasks-context";
import type { Actions } from "./use-actions";

const Markdown = dynamic(() => import("./markdown"));

/** From here on there is room for it beside the list, which stays in use. */
const BESIDE = "(min-width: 64rem)";

type Props = {
  task: Task;
  actions: Actions;
  /** What was typed here before a sign-in or a reload came between. */
  left: Edit | null;
  onClose: () => void;
  onDelete: (task: Task) => void;
};

/**
 * All of one task. What is typed is saved when the field is left, over the text that was there when
 * the typing began; until then it is kept for this tab.
 */
export function TaskPanel({ task, actions, left, onClose, onDelete }: Props) {
  const { owner } = useSession();
  const { today } = useTasks();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState<Text>(left?.typed ?? {});
  const [over, setOver] = useState<Text>(left?.over ?? {});
  const [isWriting, setWriting] = useState(left !== null || task.description === "");
  const id = useId();
  const isTrashed = task.trashedAt !== null;

  useEffect(() => {
    if (Object.keys(typed).length > 0) writeEdit(owner, { id: task.id, typed, over });
    else settleEdit(owner);
  }, [owner, task.id, typed, over]);

  function type(name: keyof Text, text: string) {
    if (typed[name] === undefined) setOver({ ...over, [name]: task[name] });
    setTyped({ ...typed, [name]: text });
  }

  function save() {
    const text = { ...typed };
    if (text.title !== undefined) text.title = text.title.trim() || task.title;
    for (const name of ["title", "description"] as const) {
      if (text[name] === over[name]) delete text[name];
    }
    const before: Text = {};
    for (const name of Object.keys(text) as (keyof Text)[]) before[name] = over[name] ?? "";
    if (Object.keys(text).length > 0) actions.write(task, text, before);
    setTyped({});
    setOver({});
    settleEdit(owner);
  }

  function close() {
    save();
    onClose();
  }

  const isModal = useDialog(dialog, close, BESIDE);

  const description = typed.description ?? task.description;
  return (
    <dialog
      aria-label="Task details"
      className="panel"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          close();
        }
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) close();
      }}
      ref={dialog}
    >
      <div className="flex items-center justify-between gap-2">
        <p className="text-xs text-muted" role="status">
          {Object.keys(typed).length > 0 ? "Not saved yet" : "Saved as you leave a field"}
        </p>
        <button aria-label="Close details" className="button-quiet" onClick={close} type="button">
          <X aria-hidden="true" className="size-4.5" />
        </button>
      </div>
      <textarea
        aria-label="Title"
        className="mt-2 field-sizing-content w-full resize-none rounded-lg bg-transparent px-2 py-1.5 -mx-2 text-xl leading-snug font-semibold tracking-tight"
        maxLength={MAX_TITLE}
        onBlur={save}
        onChange={(event) => type("title", event.target.value.replace(/\n/g, " "))}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.metaKey && !event.ctrlKey) {
            event.preventDefault();
            event.currentTarget.blur();
          }
        }}
        rows={1}
        value={typed.title ?? task.title}
      />
      <dl className="mt-4 grid grid-cols-[5.5rem_1fr] items-center gap-y-2 text-sm">
        <Row label="Due" of={`${id}-due`}>
          <div className="flex flex-wrap items-center gap-1.5">
            <input
              className="small-field"
              id={`${id}-due`}
              max="9999-12-31"
              onChange={(event) => actions.setDue([task], event.target.value || null)}
              type="date"
              value={task.dueOn ?? ""}
            />
            {task.dueOn === null && (
              <div className="flex basis-full gap-1.5">
                <button
                  className="chip h-8 px-3 text-sm hover:text-ink"
                  onClick={() => actions.setDue([task], today)}
                  type="button"
                >
                  Today
                </button>
                <button
                  className="chip h-8 px-3 text-sm hover:text-ink"
                  onClick={() => actions.setDue([task], addDays(today, 1))}
                  type="button"
                >
                  Tomorrow
                </button>
              </div>
            )}
          </div>
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
              if (isWriting) save();
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
          className="mt-2 field-sizing-content min-h-36 w-full rounded-lg border border-line bg-paper px-3 py-2.5 text-[0.9375rem] leading-relaxed placeholder:text-muted"
          id={`${id}-description`}
          maxLength={MAX_DESCRIPTION}
          onBlur={save}
          onChange={(event) => type("description", event.target.value)}
          placeholder="Notes, links, a list. Markdown works."
          value={description}
        />
      ) : (
        // biome-ignore lint/a11y/noStaticElementInteractions: the button above does the same
        <div className="prose mt-2" onDoubleClick={() => setWriting(true)}>
          <Markdown text={description} />
        </div>
      )}
      <div className="mt-6 flex flex-wrap gap-2 border-t border-line pt-4">
        {isTrashed ? (
          <>
            <button className="button" onClick={() => actions.restore([task])} type="button">
              <RotateCcw aria-hidden="true" className="size-4" /> Restore
            </button>
            <button className="button button-danger" onClick={() => onDelete(task)} type="button">
              Delete for good
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

function Row({ label, of, children }: { label: string; of?: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{of ? <label htmlFor={of}>{label}</label> : label}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}
