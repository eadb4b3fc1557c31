"use client";

import { useSearchParams } from "next/navigation";
import { useEffect, useState } from "react";
import { useClient } from "urql";
import { useSession } from "@/components/graphql/graphql";
import { TaskDocument } from "@/gql/graphql";
import { failureCode } from "@/lib/graphql";
import { AddTask } from "./add-task";
import { ConfirmDelete } from "./confirm-delete";
import { type Edit, readEdit, settleEdit } from "./draft";
import { TaskDetails } from "./task-details";
import { TaskRow } from "./task-row";
import { TrashedRow } from "./trashed-row";
import { type Task, useTasks } from "./use-tasks";
import { type View, viewOf } from "./view";
import { Views } from "./views";

const EMPTY: Readonly<Record<View, { title: string; text: string }>> = {
  open: {
    title: "Nothing left to do",
    text: "Write a task above and press Enter. Click a title to rename it.",
  },
  completed: { title: "Nothing completed yet", text: "Tick a task off and it will be kept here." },
  all: { title: "No tasks yet", text: "Write your first one above and press Enter." },
  trash: {
    title: "The trash is empty",
    text: "What you throw away waits here, so that you can change your mind.",
  },
};

export function Tasks() {
  const view = viewOf(useSearchParams().get("view"));
  const tasks = useTasks(view);
  const client = useClient();
  const { owner } = useSession();
  const [edited, setEdited] = useState<{ task: Task; edit?: Edit } | null>(null);
  const [doomed, setDoomed] = useState<Task | null>(null);
  const { list, problem } = tasks;

  useEffect(() => {
    /** Opens what was being edited before a sign-in or a reload came between. */
    async function goOn(edit: Edit) {
      const { data, error } = await client.query(TaskDocument, { id: edit.id }).toPromise();
      if (data?.task) setEdited({ task: data.task, edit });
      else if (error && failureCode(error) === "NOT_FOUND") settleEdit(owner);
    }
    const left = readEdit(owner);
    if (left) void goOn(left);
  }, [client, owner]);

  return (
    <>
      <Views current={view} />
      {(view === "open" || view === "all") && <AddTask add={tasks.add} />}
      {problem && (
        <div
          className="flex flex-wrap items-center justify-between gap-3 rounded-xl border border-danger px-4 py-3"
          role="alert"
        >
          <p>
            {list.isLoaded ? "This list may be out of date." : "Your tasks could not be read."}{" "}
            {problem}
          </p>
          <button className="button" onClick={() => void tasks.refresh()} type="button">
            Try again
          </button>
        </div>
      )}
      {list.rows.length > 0 && (
        <ul
          aria-label="Tasks"
          className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-surface"
        >
          {list.rows.map((row) =>
            view === "trash" ? (
              <TrashedRow
                confirmDelete={setDoomed}
                key={row.task.id}
                task={row.task}
                tasks={tasks}
              />
            ) : (
              <TaskRow
                key={row.task.id}
                openDetails={(task) => setEdited({ task })}
                row={row}
                tasks={tasks}
              />
            ),
          )}
        </ul>
      )}
      {list.rows.length === 0 && list.isLoaded && (
        <div className="rounded-2xl border border-dashed border-line px-6 py-14 text-center">
          <p className="font-medium">{EMPTY[view].title}</p>
          <p className="mt-1 text-sm text-balance text-muted">{EMPTY[view].text}</p>
        </div>
      )}
      {!list.isLoaded && list.rows.length === 0 && !problem && <Skeleton />}
      {list.nextPage !== null && (
        <button
          className="button justify-self-center"
          disabled={tasks.isLoadingMore}
          onClick={() => void tasks.loadMore()}
          type="button"
        >
          {tasks.isLoadingMore ? "Loading…" : "Load more"}
        </button>
      )}
      {edited && <TaskDetails {...edited} onClose={() => setEdited(null)} tasks={tasks} />}
      {doomed && (
        <ConfirmDelete
          onClose={() => setDoomed(null)}
          onConfirm={() => {
            setDoomed(null);
            void tasks.deleteForGood(doomed);
          }}
          task={doomed}
        />
      )}
    </>
  );
}

/** Holds the list's place for the moment before it is first known. */
function Skeleton() {
  return (
    <div
      aria-busy="true"
      aria-label="Loading tasks"
      className="h-36 rounded-2xl bg-wash/60"
      role="status"
    />
  );
}
