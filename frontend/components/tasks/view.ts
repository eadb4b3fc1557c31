import type { TaskFieldsFragment, TaskStatus } from "@/gql/graphql";

export const VIEWS = ["open", "completed", "all", "trash"] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_NAMES: Readonly<Record<View, string>> = {
  open: "Open",
  completed: "Completed",
  all: "All",
  trash: "Trash",
};

export const VIEW_STATUS: Readonly<Record<View, TaskStatus[]>> = {
  open: ["OPEN"],
  completed: ["COMPLETED"],
  all: ["OPEN", "COMPLETED"],
  trash: ["TRASHED"],
};

/** The view that the address names; open tasks when it names none. */
export function viewOf(value: string | null): View {
  return VIEWS.find((view) => view === value) ?? "open";
}

export function viewPath(view: View): string {
  return view === "open" ? "/tasks" : `/tasks?view=${view}`;
}

/** Whether a view lists a task. */
export function belongs(task: TaskFieldsFragment, view: View): boolean {
  if (view === "trash") return task.trashedAt !== null;
  if (task.trashedAt !== null) return false;
  return view === "all" || task.completed === (view === "completed");
}
