import { expect, test } from "vitest";
import { fromFile, toCsv, toJson } from "../components/tasks/transfer";
import { task } from "./task";

const TASKS = [
  task({ title: 'Say "hello", twice', labels: ["home", "friends"], priority: "HIGH" }),
  task({ title: "=1+1", description: "two\nlines, one comma", dueOn: "2026-12-01" }),
  task({ title: "Done", completed: true }),
  task({ title: "Gone", trashedAt: "2026-11-25T12:00:00Z" }),
];

const EXPECTED = TASKS.slice(0, 3).map(
  ({ id, title, description, completed, priority, dueOn, labels, position }) => ({
    id,
    title,
    description,
    completed,
    priority,
    dueOn,
    labels,
    position,
  }),
);

test("what is exported comes back the same, from JSON and from CSV, without the trash", async () => {
  expect(await fromFile("tasks.json", toJson(TASKS))).toEqual(EXPECTED);
  expect(await fromFile("tasks.csv", await toCsv(TASKS))).toEqual(EXPECTED);
});

test("a spreadsheet runs nothing of it", async () => {
  expect(await toCsv(TASKS)).not.toMatch(/(^|,)"?=/m);
});

test("a file that somebody else wrote needs no more than titles", async () => {
  expect(await fromFile("x.csv", "title,priority\nMilk,high\n,low\nEggs,silly\n")).toMatchObject([
    { title: "Milk", priority: "HIGH", labels: [] },
    { title: "Eggs", priority: "NONE" },
  ]);
  expect(await fromFile("x.json", '[{"title": "Milk"}, 3, null]')).toHaveLength(1);
  await expect(fromFile("x.json", "{}")).rejects.toThrow("no list of tasks");
  await expect(fromFile("x.json", "milk")).rejects.toThrow(SyntaxError);
  await expect(fromFile("x.csv", "a,b\n1,2")).rejects.toThrow("no column");
});
