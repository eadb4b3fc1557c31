"use client";

import { RotateCcw, Trash2 } from "lucide-react";
import { useToast } from "@/components/toasts/toasts";
import type { Task, Tasks } from "./use-tasks";

type Props = { task: Task; tasks: Tasks; confirmDelete: (task: Task) => void };

export function TrashedRow({ task, tasks, confirmDelete }: Props) {
  const toast = useToast();

  async function restore() {
    if (await tasks.restore(task)) toast({ message: `Restored “${task.title}”.` });
  }

  return (
    <li
      aria-label={task.title}
      className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 sm:px-5"
    >
      <span className="min-w-0 flex-1 basis-40 py-1.5 text-muted wrap-anywhere">{task.title}</span>
      <div className="flex gap-1">
        <button
          aria-label={`Restore: ${task.title}`}
          className="button-quiet px-2.5 text-sm"
          onClick={restore}
          type="button"
        >
          <RotateCcw aria-hidden="true" className="size-4" />
          Restore
        </button>
        <button
          aria-label={`Delete for good: ${task.title}`}
          className="button-quiet px-2.5 text-sm hover:text-danger"
          onClick={() => confirmDelete(task)}
          type="button"
        >
          <Trash2 aria-hidden="true" className="size-4" />
          Delete for good
        </button>
      </div>
    </li>
  );
}
