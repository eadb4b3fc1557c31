import { useMemo } from "react";
import type { AppStore } from "@/components/tasks/app-store";
import type { Task } from "@/components/tasks/task";
import { useStored } from "@/components/tasks/tasks-context";
import { isActive, type Project } from "./project";

/** All projects in their order, grouped by state. */
type Projects = {
  all: readonly Project[];
  /** Neither archived nor in the trash. */
  active: readonly Project[];
  archived: readonly Project[];
  trashed: readonly Project[];
};

export function useProjects(): Projects {
  const all = useStored(({ tables }) => tables.projects.ordered("manual"));
  return useMemo(
    () => ({
      all,
      active: all.filter(isActive),
      archived: all.filter(
        ({ archivedAt, trashedAt }) => archivedAt !== null && trashedAt === null,
      ),
      trashed: all.filter(({ trashedAt }) => trashedAt !== null),
    }),
    [all],
  );
}

/** Return the number of open tasks of a project. */
export const useOpenCount = (id: string): number =>
  useStored(({ tables }) => tables.tasks.tally.count("project", id));

/** Return the project of a task, or null. A project in the trash counts as none. */
export function projectOf(store: AppStore, task: Pick<Task, "project">): Project | null {
  const project = task.project && store.tables.projects.get(task.project.id);
  return project?.trashedAt === null ? project : null;
}
