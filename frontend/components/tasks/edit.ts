import type { CreateTaskInput, TaskPatch, TasksPatch } from "@/gql/graphql";
import type { Task } from "./task";

/*
 * Everything that can be done to tasks, as plain data. `applyEdit` shows an edit at once (optimistic
 * update), the queue sends it as one mutation and keeps it over a reload, and `inverseOf` undoes it.
 * Edits are idempotent: sending one twice has the effect of sending it once.
 */

/** The texts that a person types, which may conflict with texts that were typed elsewhere. */
export type Text = { title?: string; description?: string };

export type Edit =
  | { kind: "create"; inputs: (CreateTaskInput & { id: string; position: string })[]; at: string }
  /** Overwrites whatever the fields have: the last write wins. */
  | { kind: "set"; id: string; patch: Omit<TaskPatch, "title" | "description"> }
  /** `baseText` is the text that was edited. If the task has another one, this is a conflict. */
  | { kind: "write"; id: string; text: Text; baseText: Text }
  | { kind: "set-many"; ids: string[]; patch: TasksPatch; at: string }
  | { kind: "trash"; ids: string[]; at: string }
  | { kind: "restore"; ids: string[] }
  | { kind: "delete"; ids: string[] };

/** Return the ids of the tasks that an edit changes. */
export function idsOf(edit: Edit): readonly string[] {
  if (edit.kind === "create") return edit.inputs.map(({ id }) => id);
  return "ids" in edit ? edit.ids : [edit.id];
}

export function hasText(task: Task, text: Text): boolean {
  return (Object.keys(text) as (keyof Text)[]).every((name) => task[name] === text[name]);
}

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

/** Return a task as it is shown before the server has created it. */
function created(edit: Edit & { kind: "create" }, id: string): Task | null {
  const input = edit.inputs.find((one) => one.id === id);
  if (!input) return null;
  return {
    id,
    title: input.title,
    description: input.description ?? "",
    completed: input.completed ?? false,
    completedAt: input.completed ? edit.at : null,
    priority: input.priority ?? "NONE",
    dueOn: input.dueOn ?? null,
    labels: [...(input.labels ?? [])],
    position: input.position,
    version: 0,
    createdAt: edit.at,
    updatedAt: edit.at,
    trashedAt: null,
  };
}

/** Return the task with the fields of the patch; null clears a field. */
function patched(task: Task, patch: TaskPatch & TasksPatch, at: string): Task {
  const { completed = task.completed, priority, dueOn, labels, position } = patch;
  const { addLabels, removeLabels } = patch;
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
  };
}

/** Return a task after an edit that changes it; null when it does not exist then. */
export function applyEdit(edit: Edit, task: Task | null, id: string): Task | null {
  if (edit.kind === "create") return task ?? created(edit, id);
  if (task === null || edit.kind === "delete") return null;
  switch (edit.kind) {
    case "set":
      return patched(task, edit.patch, task.updatedAt);
    case "write":
      return { ...task, ...edit.text };
    case "set-many":
      return patched(task, edit.patch, edit.at);
    case "trash":
      return { ...task, trashedAt: task.trashedAt ?? edit.at };
    case "restore":
      return { ...task, trashedAt: null };
  }
}

type Before = (id: string) => Task | null;

function pick<T extends object>(task: Task, fields: T): T {
  const names = Object.keys(fields) as (keyof T & keyof Task)[];
  return Object.fromEntries(names.map((name) => [name, task[name]])) as T;
}

function inverseOfMany({ ids, patch, at }: Edit & { kind: "set-many" }, before: Before): Edit[] {
  const tasks = ids.map(before).filter((task) => task !== null);
  const withLabel = (label: string, hasLabel: boolean) =>
    tasks.filter(({ labels }) => toLowerCaseSet(labels).has(label.toLowerCase()) === hasLabel);
  /** Return the tasks that had each previous value, with the patch that sets it again. */
  const restore = <N extends "completed" | "priority" | "dueOn">(
    name: N,
  ): [Task[], TasksPatch][] => {
    if (patch[name] === undefined) return [];
    const values = new Set(tasks.map((task) => task[name]));
    return [...values].map((value) => [
      tasks.filter((task) => task[name] === value),
      { [name]: value },
    ]);
  };
  const sets: [Task[], TasksPatch][] = [
    ...restore("completed"),
    ...restore("priority"),
    ...restore("dueOn"),
    ...(patch.addLabels ?? []).map((label): [Task[], TasksPatch] => [
      withLabel(label, false),
      { removeLabels: [label] },
    ]),
    ...(patch.removeLabels ?? []).map((label): [Task[], TasksPatch] => [
      withLabel(label, true),
      { addLabels: [label] },
    ]),
  ];
  return sets
    .filter(([some]) => some.length > 0)
    .map(([some, values]) => ({
      kind: "set-many",
      ids: some.map(({ id }) => id),
      patch: values,
      at,
    }));
}

/** Return the edits that undo an edit, given the tasks before it. A deletion cannot be undone. */
export function inverseOf(edit: Edit, before: Before, now: string): Edit[] {
  switch (edit.kind) {
    case "create":
      return [{ kind: "trash", ids: edit.inputs.map(({ id }) => id), at: now }];
    case "trash":
      return [{ kind: "restore", ids: edit.ids }];
    case "restore":
      return [{ kind: "trash", ids: edit.ids, at: now }];
    case "delete":
      return [];
    case "set-many":
      return inverseOfMany(edit, before);
    case "set": {
      const task = before(edit.id);
      return task ? [{ kind: "set", id: edit.id, patch: pick(task, edit.patch) }] : [];
    }
    case "write": {
      const task = before(edit.id);
      return task
        ? [{ kind: "write", id: edit.id, text: pick(task, edit.text), baseText: edit.text }]
        : [];
    }
  }
}
