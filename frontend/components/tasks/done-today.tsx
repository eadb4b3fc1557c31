"use client";

import { ChevronRight } from "lucide-react";
import { useMemo } from "react";
import { useHydrated } from "@/lib/use-hydrated";
import { doneOn } from "./groups";
import type { Task } from "./task";
import { type RowProps, TaskRow } from "./task-row";
import { useApp, useStored, useTasks, useView } from "./tasks-context";
import { viewPredicate } from "./view";

const NO_TASKS: readonly Task[] = [];

/**
 * Return the tasks that were completed today and are no longer in the list Today, and whether Today
 * has no open tasks left.
 */
export function useDoneToday() {
  const { today } = useApp();
  const { view } = useView();
  const { tasks, recentlyCompleted } = useTasks();
  const isComplete = useStored((store) => store.state().isComplete);
  const all = useStored(({ tables }) =>
    view.list === "today" ? tables.tasks.ordered("newest") : NO_TASKS,
  );
  const isHydrated = useHydrated();
  const doneToday = useMemo(() => {
    if (!isHydrated) return [];
    const isListed = viewPredicate({ ...view, list: "completed" }, today);
    return doneOn(today, all).filter((task) => isListed(task) && !recentlyCompleted.has(task.id));
  }, [all, view, today, isHydrated, recentlyCompleted]);
  const isAllDone =
    isComplete &&
    view.list === "today" &&
    !(view.search || view.label || view.priority) &&
    doneToday.length + tasks.length > 0 &&
    tasks.every(({ completed }) => completed);
  return { doneToday, isAllDone };
}

type Props = Omit<RowProps, "task" | "isSelected" | "isRenaming" | "isPending" | "today"> & {
  tasks: readonly Task[];
};

/** The tasks that were completed today, below the list Today. */
export function DoneToday({ tasks, ...row }: Props) {
  const { today } = useApp();
  if (tasks.length === 0) return null;
  return (
    <details className="done-today">
      <summary className="group-heading">
        <ChevronRight aria-hidden="true" className="chevron size-4" />
        Done today
        <span className="group-count">{tasks.length}</span>
      </summary>
      <ul aria-label="Done today">
        {tasks.map((task) => (
          <li aria-label={task.title} className="task-item" key={task.id}>
            <TaskRow
              {...row}
              isPending={false}
              isRenaming={false}
              isSelected={false}
              isSelecting={false}
              task={task}
              today={today}
            />
          </li>
        ))}
      </ul>
    </details>
  );
}
