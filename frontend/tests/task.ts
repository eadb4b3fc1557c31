import type { Task } from "../components/tasks/task";

let count = 0;

/** Return a task as the API would send it, with these values. */
export function task(values: Partial<Task> = {}): Task {
  count += 1;
  return {
    id: `00000000-0000-7000-8000-${String(count).padStart(12, "0")}`,
    title: `Task ${count}`,
    description: "",
    completed: false,
    completedAt: null,
    priority: "NONE",
    dueOn: null,
    labels: [],
    position: `a${count}`,
    project: null,
    version: 1,
    createdAt: "2026-11-25T12:00:00Z",
    updatedAt: "2026-11-25T12:00:00Z",
    trashedAt: null,
    ...values,
  };
}
