"use client";

import { Check, FileText, Trash2 } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useSession } from "@/components/graphql/graphql";
import { explain } from "@/lib/graphql";
import { settleEdit, writeEdit } from "./draft";
import type { Row, Task, Tasks } from "./use-tasks";

type Props = { row: Row; tasks: Tasks; openDetails: (task: Task) => void };

export function TaskRow({ row, tasks, openDetails }: Props) {
  if (row.state === "not-created") return <UncreatedRow row={row} tasks={tasks} />;
  return <SavedRow openDetails={openDetails} row={row} tasks={tasks} />;
}

function SavedRow({ row: { task, state }, tasks, openDetails }: Props) {
  const [isRenaming, setRenaming] = useState(false);
  const title = useRef<HTMLButtonElement>(null);

  function endRenaming(byKey: boolean) {
    setRenaming(false);
    if (byKey) requestAnimationFrame(() => title.current?.focus());
  }

  return (
    <li
      aria-busy={state === "creating"}
      aria-label={task.title}
      className="flex items-start gap-2.5 px-3 py-2.5 sm:gap-3 sm:px-5"
    >
      <span className="relative mt-1.5 grid size-6 shrink-0 place-items-center">
        <input
          aria-label={`Completed: ${task.title}`}
          checked={task.completed}
          className="peer size-5.5 cursor-pointer appearance-none rounded-full border-[1.5px] border-edge transition-colors checked:border-accent checked:bg-accent hover:border-accent"
          onChange={(event) => void tasks.setCompleted(task, event.target.checked)}
          type="checkbox"
        />
        <Check
          aria-hidden="true"
          className="pointer-events-none absolute size-3.5 text-on-accent opacity-0 peer-checked:opacity-100"
          strokeWidth={3}
        />
      </span>
      <div className="min-w-0 flex-1">
        {isRenaming ? (
          <Rename end={endRenaming} task={task} update={tasks.update} />
        ) : (
          <button
            aria-label={`Rename: ${task.title}`}
            className={`-mx-1.5 block max-w-full cursor-text rounded-md px-1.5 py-1.5 text-left wrap-anywhere transition-colors hover:bg-paper ${task.completed ? "text-muted line-through" : ""}`}
            onClick={() => setRenaming(true)}
            ref={title}
            type="button"
          >
            {task.title}
          </button>
        )}
        {task.description && !isRenaming && (
          <p className="-mt-0.5 mb-1 line-clamp-2 text-sm whitespace-pre-line text-muted wrap-anywhere">
            {task.description}
          </p>
        )}
      </div>
      <div className="-mr-1 flex shrink-0 sm:gap-0.5">
        <button
          aria-label={`Edit details: ${task.title}`}
          className="button-quiet"
          onClick={() => openDetails(task)}
          title="Edit details"
          type="button"
        >
          <FileText aria-hidden="true" className="size-4.5" />
        </button>
        <button
          aria-label={`Move to trash: ${task.title}`}
          className="button-quiet"
          onClick={() => void tasks.trash(task)}
          title="Move to trash"
          type="button"
        >
          <Trash2 aria-hidden="true" className="size-4.5" />
        </button>
      </div>
    </li>
  );
}

type RenameProps = { task: Task; update: Tasks["update"]; end: (byKey: boolean) => void };

/** The title as a field: Enter or leaving it saves, Escape does not. What failed stays to try again. */
function Rename({ task, update, end }: RenameProps) {
  const { owner } = useSession();
  const [title, setTitle] = useState(task.title);
  const [problem, setProblem] = useState<string | null>(null);
  const [isPending, setPending] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();

  useEffect(() => field.current?.select(), []);

  function write(text: string) {
    setTitle(text);
    writeEdit(owner, { ...task, title: text });
  }

  function close(byKey: boolean) {
    settleEdit(owner);
    end(byKey);
  }

  async function save(byKey: boolean) {
    const trimmed = title.trim();
    if (isPending) return;
    if (!trimmed || trimmed === task.title) return close(byKey);
    setPending(true);
    const error = await update(task.id, { title: trimmed });
    setPending(false);
    if (error) setProblem(explain(error));
    else close(byKey);
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    void save(true);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Escape") close(true);
  }

  return (
    <form onSubmit={onSubmit}>
      <input
        aria-describedby={`${id}-problem`}
        aria-invalid={problem !== null}
        aria-label="Title"
        autoComplete="off"
        className="-mx-1.5 w-full rounded-md bg-paper px-1.5 py-1.5"
        enterKeyHint="done"
        maxLength={200}
        // A failed save is tried again by Enter alone: leaving would loop over an outage.
        onBlur={() => problem === null && void save(false)}
        onChange={(event) => write(event.target.value)}
        onKeyDown={onKeyDown}
        readOnly={isPending}
        ref={field}
        value={title}
      />
      <p className="text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {problem && `${problem} Enter tries again, Escape gives up.`}
      </p>
    </form>
  );
}

/** A task that the server has not taken yet. */
function UncreatedRow({ row: { task, problem }, tasks }: Omit<Props, "openDetails">) {
  return (
    <li
      aria-label={task.title}
      className="flex flex-wrap items-center gap-x-3 gap-y-2 px-4 py-3 sm:px-5"
    >
      <div className="min-w-0 flex-1 basis-56 wrap-anywhere">
        {task.title}
        <p className="text-sm text-danger" role="alert">
          Not saved. {problem}
        </p>
      </div>
      <button className="button" onClick={() => void tasks.create(task)} type="button">
        Try again
      </button>
      <button className="button-quiet px-3" onClick={() => tasks.discard(task)} type="button">
        Discard
      </button>
    </li>
  );
}
