"use client";

import { type FormEvent, useEffect, useId, useState } from "react";
import { useClient } from "urql";
import { Dialog } from "@/components/dialog/dialog";
import { useSession } from "@/components/graphql/graphql";
import { TaskDocument } from "@/gql/graphql";
import { explain, failureCode } from "@/lib/graphql";
import { type Edit, settleEdit, writeEdit } from "./draft";
import type { Task, Tasks } from "./use-tasks";

type Props = {
  task: Task;
  /** An edit of it that a sign-in or a reload came between. */
  edit?: Edit | undefined;
  tasks: Tasks;
  onClose: () => void;
};

/** Title and description. Saves over the version it showed, and over no other without asking. */
export function TaskDetails({ task, edit = task, tasks, onClose }: Props) {
  const client = useClient();
  const { owner } = useSession();
  const [title, setTitle] = useState(edit.title);
  const [description, setDescription] = useState(edit.description);
  const [version, setVersion] = useState(edit.version);
  const [elsewhere, setElsewhere] = useState<Task | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isPending, setPending] = useState(false);
  const id = useId();

  useEffect(() => {
    const isChanged = title !== task.title || description !== task.description;
    if (isChanged) writeEdit(owner, { id: task.id, title, description, version });
    else settleEdit(owner);
  }, [owner, task, title, description, version]);

  function close() {
    settleEdit(owner);
    onClose();
  }

  /** What the task is now. The next save is over this version: the person has seen it. */
  async function showCurrent() {
    const { data, error } = await client.query(TaskDocument, { id: task.id }).toPromise();
    if (data?.task) {
      setElsewhere(data.task);
      setVersion(data.task.version);
      setProblem(null);
      tasks.put(data.task);
    } else if (error) setProblem(explain(error));
  }

  async function save(event: FormEvent) {
    event.preventDefault();
    setPending(true);
    const error = await tasks.update(task.id, { title: title.trim(), description }, version);
    if (!error) return close();
    if (failureCode(error) === "CONFLICT") await showCurrent();
    else setProblem(explain(error));
    if (failureCode(error) === "NOT_FOUND") tasks.takeOut(task.id);
    setPending(false);
  }

  function takeTheirs(current: Task) {
    setTitle(current.title);
    setDescription(current.description);
    setElsewhere(null);
  }

  return (
    <Dialog onClose={close} title="Task details">
      <form className="mt-4 grid gap-4" onSubmit={save}>
        <div className="grid gap-1.5">
          <label className="text-sm font-medium" htmlFor={`${id}-title`}>
            Title
          </label>
          <input
            autoComplete="off"
            className="field"
            id={`${id}-title`}
            maxLength={200}
            onChange={(event) => setTitle(event.target.value)}
            // At least one character that is not a space.
            pattern=".*\S.*"
            required={true}
            value={title}
          />
        </div>
        <div className="grid gap-1.5">
          <label className="text-sm font-medium" htmlFor={`${id}-description`}>
            Description
          </label>
          <textarea
            className="field min-h-32 resize-y"
            id={`${id}-description`}
            maxLength={10_000}
            onChange={(event) => setDescription(event.target.value)}
            rows={6}
            value={description}
          />
        </div>
        {elsewhere && (
          <div className="rounded-xl bg-wash px-4 py-3 text-sm" role="alert">
            <p className="font-medium">This task was changed elsewhere. It now reads:</p>
            <p className="mt-2 wrap-anywhere">{elsewhere.title}</p>
            {elsewhere.description && (
              <p className="mt-1 max-h-32 overflow-y-auto whitespace-pre-line text-muted wrap-anywhere">
                {elsewhere.description}
              </p>
            )}
            <button
              className="mt-2 rounded-sm font-medium underline underline-offset-4"
              onClick={() => takeTheirs(elsewhere)}
              type="button"
            >
              Use this instead of mine
            </button>
          </div>
        )}
        <p className="text-sm text-danger empty:hidden" role="alert">
          {problem}
        </p>
        <div className="flex flex-wrap justify-end gap-3">
          <button className="button" onClick={close} type="button">
            Cancel
          </button>
          <button className="button button-primary" disabled={isPending} type="submit">
            {elsewhere ? "Save mine" : "Save"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
