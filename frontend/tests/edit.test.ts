import { describe, expect, test } from "vitest";
import { applyEdit, type Edit, idsOf, inverseOf } from "../components/tasks/edit";
import { positionAt, positionsAtTop } from "../components/tasks/order";
import type { Task } from "../components/tasks/task";
import { sorted } from "../components/tasks/view";
import { task } from "./task";

const AT = "2026-11-25T13:00:00Z";

function changedBy(edits: readonly Edit[], tasks: readonly Task[]): Task[] {
  let now = [...tasks];
  for (const edit of edits) {
    now = now.map((one) =>
      idsOf(edit).includes(one.id) ? (applyEdit(edit, one, one.id) ?? one) : one,
    );
  }
  return now;
}

describe("the inverse of an edit restores the tasks", () => {
  const a = task({ labels: ["home"], dueOn: "2026-11-25", priority: "HIGH" });
  const b = task({ labels: ["home", "Work"], completed: true, completedAt: AT });
  const ids = [a.id, b.id];
  const edits: Edit[] = [
    { kind: "set", id: a.id, patch: { position: "a0V", dueOn: null } },
    { kind: "write", id: a.id, text: { title: "New" }, baseText: { title: a.title } },
    { kind: "trash", ids, at: AT },
    { kind: "set-many", ids, at: AT, patch: { completed: true } },
    { kind: "set-many", ids, at: AT, patch: { dueOn: "2026-12-01", priority: "LOW" } },
    { kind: "set-many", ids, at: AT, patch: { addLabels: ["WORK"] } },
    { kind: "set-many", ids, at: AT, patch: { removeLabels: ["Work"] } },
  ];

  test.each(edits)("$kind $patch", (edit) => {
    const before = (id: string) => [a, b].find((one) => one.id === id) ?? null;
    const changed = changedBy([edit], [a, b]);
    expect(changed).not.toEqual([a, b]);
    expect(changedBy(inverseOf(edit, before, AT), changed)).toEqual([a, b]);
  });
});

test("a created task is shown in full, and does not replace an existing one", () => {
  const edit: Edit = {
    kind: "create",
    inputs: [{ id: "one", title: "Milk", position: "a0", labels: ["home"] }],
    at: AT,
  };
  expect(applyEdit(edit, null, "one")).toMatchObject({
    title: "Milk",
    labels: ["home"],
    version: 0,
  });
  const there = task({ id: "one", title: "As the server has it" });
  expect(applyEdit(edit, there, "one")).toBe(there);
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
    expect(tasks).toEqual(sorted([...tasks], "manual"));
    expect(Math.max(...tasks.map(({ position }) => position.length))).toBeLessThan(255);
  });

  test("come after tasks that have the same position", () => {
    const twins = [task({ position: "a1" }), task({ position: "a1" }), task({ position: "a2" })];
    const key = positionAt(twins, 1);
    expect("a1" < key && key < "a2").toBe(true);
  });
});
