import { useDeferredValue, useMemo } from "react";
import type { AppStore } from "@/components/tasks/app-store";
import type { Task } from "@/components/tasks/task";
import { useTasks } from "@/components/tasks/tasks-context";
import { isActive, type Project } from "./project";

/** All projects in their order, grouped by state. */
type Projects = {
  /** Neither archived nor in the trash. */
  active: readonly Project[];
  archived: readonly Project[];
  trashed: readonly Project[];
};

export function useProjects(): Projects {
  const { store, state } = useTasks();
  const { revision } = state;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the store's projects change with its revision
  return useMemo(() => {
    const all = store.tables.projects.ordered("manual");
    return {
      active: all.filter(isActive),
      archived: all.filter(
        ({ archivedAt, trashedAt }) => archivedAt !== null && trashedAt === null,
      ),
      trashed: all.filter(({ trashedAt }) => trashedAt !== null),
    };
  }, [store, revision]);
}

/** Return the number of open tasks by project id. Projects without open tasks are left out. */
export function useOpenCounts(): ReadonlyMap<string, number> {
  const { store, state } = useTasks();
  // The navigation may render a frame later than the list.
  const revision = useDeferredValue(state.revision);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the store's tasks change with its revision
  return useMemo(() => {
    const counts = new Map<string, number>();
    for (const { project, completed, trashedAt } of store.tables.tasks.ordered("manual")) {
      if (project === null || completed || trashedAt !== null) continue;
      counts.set(project.id, (counts.get(project.id) ?? 0) + 1);
    }
    return counts;
  }, [store, revision]);
}

/** Return the project of a task, or null. A project in the trash counts as none. */
export function projectOf(store: AppStore, task: Pick<Task, "project">): Project | null {
  const project = task.project && store.tables.projects.get(task.project.id);
  return project?.trashedAt === null ? project : null;
}
