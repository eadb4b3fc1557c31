import { type Edit, pick } from "@/components/store/edit";
import type { Noun } from "@/components/store/noun";
import type { Key } from "@/components/store/tally";
import {
  type CreateTaskInput,
  CreateTasksDocument,
  DeleteTasksDocument,
  RestoreTasksDocument,
  TaskChangesDocument,
  TaskDocument,
  TaskEventsDocument,
  type TaskPatch,
  type TasksPatch,
  TrashTasksDocument,
  UpdateTaskDocument,
  UpdateTasksDocument,
} from "@/gql/graphql";
import type { Task } from "./task";
import { compareTasks, type Sort } from "./view";

/** The texts of a task that a person types. */
export type Text = { title?: string; description?: string };

export type TaskTypes = {
  name: "tasks";
  row: Task;
  input: CreateTaskInput;
  patch: Omit<TaskPatch, keyof Text>;
  manyPatch: TasksPatch;
  text: Text;
  sort: Sort;
};

export type TaskEdit = Edit<TaskTypes>;

const toLowerCaseSet = (labels: readonly string[]) =>
  new Set(labels.map((label) => label.toLowerCase()));

function changeLabels(
  labels: string[],
  remove: readonly string[],
  add: readonly string[],
): string[] {
  const removed = toLowerCaseSet(remove);
  const kept = labels.filter((label) => !removed.has(label.toLowerCase()));
  const existing = toLowerCaseSet(kept);
  return [...kept, ...add.filter((label) => !existing.has(label.toLowerCase()))];
}

const referenceTo = (id: string | null | undefined) => (id ? { id } : null);

/** Return the values of a task that a patch can set. */
const valuesOf = (task: Task) => ({ ...task, projectId: task.project?.id ?? null });

/** Return the task with the fields of the patch; null clears a field. */
function patched(task: Task, patch: TaskPatch & TasksPatch, at: string): Task {
  const { completed = task.completed, priority, dueOn, labels, position } = patch;
  const { addLabels, removeLabels, projectId } = patch;
  return {
    ...task,
    completed: completed === true,
    completedAt: completed ? (task.completedAt ?? at) : null,
    priority: priority === undefined ? task.priority : (priority ?? "NONE"),
    dueOn: dueOn === undefined ? task.dueOn : dueOn,
    labels: changeLabels(
      labels === undefined ? task.labels : [...(labels ?? [])],
      removeLabels ?? [],
      addLabels ?? [],
    ),
    position: position ?? task.position,
    project: projectId === undefined ? task.project : referenceTo(projectId),
  };
}

/**
 * Return the keys under which a task is counted. All tasks are counted by label. Open tasks are
 * also counted together, by due date and by project.
 */
function keysOf({ labels, completed, dueOn, project, trashedAt }: Task): Key[] {
  if (trashedAt !== null) return [];
  const keys = labels.map((label): Key => ["label", label]);
  if (completed) return keys;
  keys.push(["open", ""]);
  if (dueOn !== null) keys.push(["due", dueOn]);
  if (project !== null) keys.push(["project", project.id]);
  return keys;
}

/** The declaration of tasks for the store. */
export const TASKS: Noun<TaskTypes> = {
  name: "tasks",
  singular: "task",
  documents: {
    changes: TaskChangesDocument,
    events: TaskEventsDocument,
    one: TaskDocument,
    create: CreateTasksDocument,
    update: UpdateTaskDocument,
    updateMany: UpdateTasksDocument,
    trash: TrashTasksDocument,
    restore: RestoreTasksDocument,
    delete: DeleteTasksDocument,
  },
  nameOf: ({ title }) => title,
  compare: compareTasks,
  keysOf,
  patched,
  patchOf: (task, patch) => pick(valuesOf(task), patch),

  created: (input, at) => ({
    id: input.id,
    title: input.title,
    description: input.description ?? "",
    completed: input.completed ?? false,
    completedAt: input.completed ? at : null,
    priority: input.priority ?? "NONE",
    dueOn: input.dueOn ?? null,
    labels: [...(input.labels ?? [])],
    position: input.position,
    project: referenceTo(input.projectId),
    version: 0,
    createdAt: at,
    updatedAt: at,
    trashedAt: null,
  }),

  inverseOfMany(tasks, patch) {
    const withLabel = (label: string, hasLabel: boolean) =>
      tasks.filter(({ labels }) => toLowerCaseSet(labels).has(label.toLowerCase()) === hasLabel);
    /** Return, for each previous value, its tasks and the patch that sets the value again. */
    function restore(
      name: "completed" | "priority" | "dueOn" | "projectId",
    ): [Task[], TasksPatch][] {
      if (patch[name] === undefined) return [];
      const values = new Set(tasks.map((task) => valuesOf(task)[name]));
      return [...values].map((value) => [
        tasks.filter((task) => valuesOf(task)[name] === value),
        { [name]: value },
      ]);
    }
    return [
      ...restore("completed"),
      ...restore("priority"),
      ...restore("dueOn"),
      ...restore("projectId"),
      ...(patch.addLabels ?? []).map((label): [Task[], TasksPatch] => [
        withLabel(label, false),
        { removeLabels: [label] },
      ]),
      ...(patch.removeLabels ?? []).map((label): [Task[], TasksPatch] => [
        withLabel(label, true),
        { addLabels: [label] },
      ]),
    ];
  },

  withoutMissing(edit, exists) {
    const isMissing = (id: string | null | undefined) =>
      Boolean(id) && !exists("projects", id ?? "");
    if (edit.kind === "create") {
      if (!edit.inputs.some(({ projectId }) => isMissing(projectId))) return null;
      const inputs = edit.inputs.map((input) =>
        isMissing(input.projectId) ? { ...input, projectId: null } : input,
      );
      const message = "The project no longer exists. The task was added without a project.";
      return { left: { ...edit, inputs }, message };
    }
    if (!("patch" in edit && isMissing(edit.patch.projectId))) return null;
    return { left: null, message: "The project no longer exists." };
  },
};
