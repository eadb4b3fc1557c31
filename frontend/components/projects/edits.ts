import type { Cascade } from "@/components/store/edit";
import { positionAt } from "@/components/store/order";
import type { AppStore } from "@/components/tasks/app-store";
import type { Task } from "@/components/tasks/task";
import type { ProjectColor } from "@/gql/graphql";
import type { ProjectEdit } from "./noun";
import type { Project } from "./project";

/*
 * The edits of projects. The server trashes, restores and deletes a project together with its
 * tasks. The edit lists these tasks, so that the page shows the result at once.
 */

function cascadeTo(
  store: AppStore,
  { id }: Project,
  isMoved: (task: Task) => boolean,
): { cascade?: Cascade } {
  const ids = store.tables.tasks
    .ordered("manual")
    .filter((task) => task.project?.id === id && isMoved(task))
    .map((task) => task.id);
  return ids.length > 0 ? { cascade: { noun: "tasks", ids } } : {};
}

/** Return the edit that creates a project after all others. */
export function createProject(
  store: AppStore,
  project: { id: string; name: string; color: ProjectColor },
  at: string,
): ProjectEdit {
  const all = store.tables.projects.ordered("manual");
  const input = { ...project, position: positionAt(all, all.length) };
  return { noun: "projects", kind: "create", inputs: [input], at };
}

export function trashProject(store: AppStore, project: Project, at: string): ProjectEdit {
  const cascade = cascadeTo(store, project, ({ trashedAt }) => trashedAt === null);
  return { noun: "projects", kind: "trash", ids: [project.id], at, ...cascade };
}

/** Return the edit that restores a project with the tasks that were trashed at the same time. */
export function restoreProject(store: AppStore, project: Project): ProjectEdit {
  const cascade = cascadeTo(store, project, ({ trashedAt }) => trashedAt === project.trashedAt);
  return { noun: "projects", kind: "restore", ids: [project.id], ...cascade };
}

export function deleteProject(store: AppStore, project: Project): ProjectEdit {
  const cascade = cascadeTo(store, project, () => true);
  return { noun: "projects", kind: "delete", ids: [project.id], ...cascade };
}

/** Return the edit that moves a project next to another one. */
export function moveProject(
  store: AppStore,
  { id }: Project,
  place: "before" | "after",
  other: Project,
): ProjectEdit {
  const others = store.tables.projects.ordered("manual").filter((one) => one.id !== id);
  const index = others.findIndex((one) => one.id === other.id) + Number(place === "after");
  return { noun: "projects", kind: "set", id, patch: { position: positionAt(others, index) } };
}
