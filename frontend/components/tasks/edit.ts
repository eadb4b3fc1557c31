import type { CreateTaskInput, TaskPatch, TasksPatch } from "@/gql/graphql";
import type { Task } from "./task";

/*
 * Everything that can be done to tasks, as plain data: it is shown at once by `applied`, waits in a
 * queue, goes out as one mutation, can be kept over a reload, and is undone by what `inverseOf` says.
 * Each may be sent twice with the effect of once.
 */

/** What a person types into, and what may therefore clash with what was typed elsewhere. */
export type Text = { title?: string; description?: string };

export type Edit =
  | { kind: "create"; inputs: (CreateTaskInput & { id: string; position: string })[]; at: string }
  /** Set for certain, whatever stands there: the last one wins. */
  | { kind: "set"; id: string; patch: Omit<TaskPatch, "title" | "description"> }
  /** `over` is the text that the person saw. Over any other it is a conflict, and nothing is written. */
  | { kind: "write"; id: string; text: Text; over: Text }
  | { kind: "set-many"; ids: string[]; patch: TasksPatch; at: string }
  | { kind: "trash"; ids: string[]; at: string }
  | { kind: "restore"; ids: string[] }
  | { kind: "delete"; ids: string[] };

/** The tasks that an edit is about. */
export function idsOf(edit: Edit): readonly string[] {
  if (edit.kind === "create") return edit.inputs.map(({ id }) => id);
  return "ids" in edit ? edit.ids : [edit.id];
}

const folded = (labels: readonly string[]) => new Set(labels.map((label) => label.toLowerCase()));

function relabelled(labels: string[], remove: readonly string[], add: readonly string[]): string[] {
  const gone = folded(remove);
  const kept = labels.filter((label) => !gone.has(label.toLowerCase()));
  const has = folded(kept);
  return [...kept, ...add.filter((label) => !has.has(label.toLowerCase()))];
}

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

/** The fields that a patch names; null stands for none. */
function patched(task: Task, patch: TaskPatch & TasksPatch, at: string): Task {
  const { completed = task.completed, priority, dueOn, labels, position } = patch;
  const { addLabels, removeLabels } = patch;
  return {
    ...task,
    completed: completed === true,
    completedAt: completed ? (task.completedAt ?? at) : null,
    priority: priority === undefined ? task.priority : (priority ?? "NONE"),
    dueOn: dueOn === undefined ? task.dueOn : dueOn,
    labels: relabelled(
      labels === undefined ? task.labels : [...(labels ?? [])],
      removeLabels ?? [],
      addLabels ?? [],
    ),
    position: position ?? task.position,
  };
}

/** A task as it is after an edit that is about it; null when there is none then. */
export function applied(edit: Edit, task: Task | null, id: string): Task | null {
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
  const having = (label: string, isThere: boolean) =>
    tasks.filter(({ labels }) => folded(labels).has(label.toLowerCase()) === isThere);
  /** For each value that was there before, the tasks that had it. */
  const back = <N extends "completed" | "priority" | "dueOn">(name: N): [Task[], TasksPatch][] => {
    if (patch[name] === undefined) return [];
    const values = new Set(tasks.map((task) => task[name]));
    return [...values].map((value) => [
      tasks.filter((task) => task[name] === value),
      { [name]: value },
    ]);
  };
  const sets: [Task[], TasksPatch][] = [
    ...back("completed"),
    ...back("priority"),
    ...back("dueOn"),
    ...(patch.addLabels ?? []).map((label): [Task[], TasksPatch] => [
      having(label, false),
      { removeLabels: [label] },
    ]),
    ...(patch.removeLabels ?? []).map((label): [Task[], TasksPatch] => [
      having(label, true),
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

/** What takes an edit back, told from the tasks as they were before it. Deleting is for good. */
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
        ? [{ kind: "write", id: edit.id, text: pick(task, edit.text), over: edit.text }]
        : [];
    }
  }
}
