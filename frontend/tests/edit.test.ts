import { describe, expect, test } from "vitest";
import { applyEdit, idsOf, inverseOf } from "../components/store/edit";
import { positionAt, positionsAtTop } from "../components/store/order";
import { TASKS, type TaskEdit } from "../components/tasks/noun";
import type { Task } from "../components/tasks/task";
import { compareTasks } from "../components/tasks/view";
import { task } from "./task";

const AT = "2026-11-25T13:00:00Z";

function changedBy(edits: readonly TaskEdit[], tasks: readonly Task[]): Task[] {
  let now = [...tasks];
  for (const edit of edits) {
    now = now.map((one) =>
      idsOf(edit).includes(one.id) ? (applyEdit(TASKS, edit, one, one.id) ?? one) : one,
    );
  }
  return now;
}

describe("the inverse of an edit restores the tasks", () => {
  const a = task({ labels: ["home"], dueOn: "2026-11-25", priority: "HIGH" });
  const b = task({ labels: ["home", "Work"], completed: true, completedAt: AT });
  const ids = [a.id, b.id];
  const edits: TaskEdit[] = [
    { noun: "tasks", kind: "set", id: a.id, patch: { position: "a0V", dueOn: null } },
    {
      noun: "tasks",
      kind: "write",
      id: a.id,
      text: { title: "New" },
      baseText: { title: a.title },
    },
    { noun: "tasks", kind: "trash", ids, at: AT },
    { noun: "tasks", kind: "set-many", ids, at: AT, patch: { completed: true } },
    {
      noun: "tasks",
      kind: "set-many",
      ids,
      at: AT,
      patch: { dueOn: "2026-12-01", priority: "LOW" },
    },
    { noun: "tasks", kind: "set-many", ids, at: AT, patch: { addLabels: ["WORK"] } },
    { noun: "tasks", kind: "set-many", ids, at: AT, patch: { removeLabels: ["Work"] } },
  ];

  test.each(edits)("$kind $patch", (edit) => {
    const before = (id: string) => [a, b].find((one) => one.id === id) ?? null;
    const changed = changedBy([edit], [a, b]);
    expect(changed).not.toEqual([a, b]);
    expect(changedBy(inverseOf(TASKS, edit, before, AT), changed)).toEqual([a, b]);
  });
});

test("a created task is shown in full, and does not replace an existing one", () => {
  const edit: TaskEdit = {
    noun: "tasks",
    kind: "create",
    inputs: [{ id: "one", title: "Milk", position: "a0", labels: ["home"] }],
    at: AT,
  };
  expect(applyEdit(TASKS, edit, null, "one")).toMatchObject({
    title: "Milk",
    labels: ["home"],
    version: 0,
  });
  const there = task({ id: "one", title: "As the server has it" });
  expect(applyEdit(TASKS, edit, there, "one")).toBe(there);
});

describe("positions", () => {
  test("of new tasks are before all others, in order", () => {
    const old = task({ position: "a0" });
    const [first = "", second = ""] = positionsAtTop([old], 2);
    expect(first < second && second < "a0").toBe(true);
  });

  test("fit a thousand times into one place among ten thousand tasks", () => {
    const tasks = positionsAtTop([], 10_000).map((position) => task({ position }));
    for (let count = 0; count < 1000; count += 1) {
      tasks.splice(5000, 0, task({ position: positionAt(tasks, 5000) }));
    }
    expect(tasks).toEqual(tasks.toSorted((a, b) => compareTasks("manual", a, b)));
    expect(Math.max(...tasks.map(({ position }) => position.length))).toBeLessThan(255);
  });

  test("come after tasks that have the same position", () => {
    const twins = [task({ position: "a1" }), task({ position: "a1" }), task({ position: "a2" })];
    const key = positionAt(twins, 1);
    expect("a1" < key && key < "a2").toBe(true);
  });
});
