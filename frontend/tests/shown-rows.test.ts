import { describe, expect, test } from "vitest";
import { ShownRows } from "../components/store/shown-rows";
import { TASKS, type TaskTypes } from "../components/tasks/noun";
import { PRIORITIES, type Task } from "../components/tasks/task";
import { compareTasks, SORTS, type Sort } from "../components/tasks/view";
import { task } from "./task";

/** Return a generator of integers from 0 to below its argument, which are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** Return a task with random values. There are few values, so that many tasks share them. */
function randomTask(number: (below: number) => number, values: Partial<Task> = {}): Task {
  return task({
    title: `Task ${number(20)}`,
    position: `a${number(30)}`,
    priority: PRIORITIES[number(5)] ?? "NONE",
    dueOn: number(3) === 0 ? null : `2026-12-${String(10 + number(9))}`,
    createdAt: `2026-11-${String(10 + number(9))}T12:00:00Z`,
    ...values,
  });
}

describe("rows that are shown in an order", () => {
  test.each(SORTS)("are the same as after sorting all of them: %s", (sort: Sort) => {
    const number = numbers(7);
    const shown = new ShownRows<TaskTypes>(TASKS);
    const rows = new Map<string, Task>();
    const show = (id: string, row: Task | null) => {
      shown.set(id, row);
      if (row) rows.set(id, row);
      else rows.delete(id);
    };
    /** Change a random row, delete one or add one. */
    const change = () => {
      const ids = [...rows.keys()];
      const id = ids[number(ids.length)];
      const row = randomTask(number, id !== undefined && number(3) > 0 ? { id } : {});
      show(row.id, rows.has(row.id) && number(4) === 0 ? null : row);
    };
    for (let step = 0; step < 300; step += 1) {
      // Sometimes more rows change than are moved one by one.
      for (let left = step % 50 === 0 ? 120 : 1 + number(4); left > 0; left -= 1) change();
      const expected = [...rows.values()].sort((a, b) => compareTasks(sort, a, b));
      expect(shown.ordered(sort)).toEqual(expected);
    }
  });

  test("are counted as if all of them were counted again", () => {
    const number = numbers(11);
    const shown = new ShownRows<TaskTypes>(TASKS);
    const ids = Array.from({ length: 40 }, () => randomTask(number).id);
    const change = () => {
      const id = ids[number(ids.length)] ?? "";
      const labels = ["home", "garden", "bank"].slice(number(4));
      const completed = number(4) === 0;
      const project = [null, { id: "p1" }, { id: "p2" }][number(3)] ?? null;
      const trashedAt = [null, null, "2026-12-01T12:00:00Z"][number(3)] ?? null;
      const row = randomTask(number, { id, labels, completed, project, trashedAt });
      shown.set(id, number(6) === 0 ? null : row);
    };
    for (let step = 0; step < 500; step += 1) {
      change();
      const kept = shown.ordered("manual").filter(({ trashedAt }) => trashedAt === null);
      const open = kept.filter(({ completed }) => !completed);
      const inProject = open.filter(({ project }) => project?.id === "p1");
      const { tally } = shown;
      expect(tally.count("open", "")).toBe(open.length);
      expect(tally.count("project", "p1")).toBe(inProject.length);
      expect(new Set(tally.values("due"))).toEqual(
        new Set(open.flatMap(({ dueOn }) => dueOn ?? [])),
      );
      expect(new Set(tally.values("label"))).toEqual(new Set(kept.flatMap(({ labels }) => labels)));
    }
  });

  test("have the same array of labels until a label appears or disappears", () => {
    const shown = new ShownRows<TaskTypes>(TASKS);
    const milk = task({ labels: ["home"] });
    shown.set(milk.id, milk);
    const before = shown.tally.values("label");
    shown.set(milk.id, { ...milk, title: "Oats", labels: ["home"] });
    expect(shown.tally.values("label")).toEqual(["home"]);
    shown.set(milk.id, { ...milk, labels: ["bank"] });
    expect(shown.tally.values("label")).toEqual(["bank"]);
    expect(before).toEqual(["home"]);
  });

  test("are the same array until a row changes", () => {
    const shown = new ShownRows<TaskTypes>(TASKS);
    const milk = task();
    shown.set(milk.id, milk);
    const before = shown.ordered("title");
    expect(shown.ordered("title")).toBe(before);
    shown.set(milk.id, { ...milk, title: "Oats" });
    expect(shown.ordered("title")).not.toBe(before);
    expect(before).toEqual([milk]);
  });
});
