import { describe, expect, test } from "vitest";
import { describeTask, formatDay, type Task } from "../components/tasks/task";
import {
  compareTasks,
  listContaining,
  pathOf,
  type Sort,
  toQueryVariables,
  viewOf,
  viewPredicate,
  viewTitle,
} from "../components/tasks/view";
import { task } from "./task";

const TODAY = "2026-11-25";
const HOME = "00000000-0000-7000-9000-00000000000a";
const view = (query: string) => viewOf(new URLSearchParams(query));

describe("an address", () => {
  test.each([
    "",
    "view=today",
    "view=trash&q=milk+eggs",
    "label=home&priority=HIGH&sort=title",
    "view=upcoming&sort=manual",
    `project=${HOME}`,
    `view=today&project=${HOME}&label=home`,
  ])("encodes a view: %s", (query) => {
    expect(pathOf(view(query))).toBe(query ? `/tasks?${query}` : "/tasks");
  });

  test("that is invalid shows all tasks", () => {
    expect(view("view=evil&project=x&priority=x&sort=__proto__")).toEqual(view(""));
  });
});

describe("a view lists", () => {
  const late = task({
    dueOn: "2026-11-01",
    title: "Buy MILK",
    labels: ["Home"],
    project: { id: HOME },
  });
  const soon = task({ dueOn: "2026-11-26", priority: "HIGH", description: "fresh milk" });
  const done = task({ dueOn: TODAY, completed: true });
  const gone = task({ dueOn: TODAY, trashedAt: "2026-11-25T12:00:00Z" });
  const all = [late, soon, done, gone];

  test.each([
    ["", [late, soon]],
    ["view=today", [late]],
    ["view=upcoming", [soon]],
    ["view=completed", [done]],
    ["view=trash", [gone]],
    ["label=home", [late]],
    ["priority=HIGH", [soon]],
    [`project=${HOME}`, [late]],
    [`view=upcoming&project=${HOME}`, []],
    ["q=milk", [late, soon]],
    ["q=MILK fresh", [soon]],
    ["q=home", [late]],
  ])("%s", (query, expected) => {
    expect(all.filter(viewPredicate(view(query), TODAY))).toEqual(expected);
  });

  test("the tasks that the API is asked for", () => {
    expect(toQueryVariables(view("view=upcoming&label=home&q= milk "), TODAY)).toEqual({
      filter: { status: ["OPEN"], dueFrom: "2026-11-26", labels: ["home"], search: "milk" },
      orderBy: { field: "DUE_ON", direction: "ASC" },
    });
  });

  test("the tasks of a project that the API is asked for", () => {
    const { filter } = toQueryVariables(view(`project=${HOME}`), TODAY);
    expect(filter).toEqual({ status: ["OPEN"], projectIds: [HOME] });
  });

  test("and sends no longer search than the API accepts", () => {
    const { search } = toQueryVariables(view(`q=${"😀".repeat(201)}`), TODAY).filter;
    expect(Array.from(search ?? "")).toHaveLength(200);
    const words = toQueryVariables(view("q=a b c d e f g h i j k"), TODAY).filter.search;
    expect(words).toBe("a b c d e f g h i j");
  });
});

test.each([
  ["", "All"],
  ["view=today&priority=HIGH", "Today"],
  ["priority=HIGH", "All"],
  ["label=home&priority=HIGH&q=x", "home"],
  ["view=today&label=home", "Today · home"],
  [`project=${HOME}`, "Garden"],
  [`project=${HOME}&label=home`, "Garden · home"],
  [`view=today&project=${HOME}`, "Today · Garden"],
])("the heading of %j is %s", (query, heading) => {
  expect(viewTitle(view(query), "Garden")).toBe(heading);
});

test("a task is found in the current list, or else in the most specific one", () => {
  const late = task({ dueOn: "2026-11-01" });
  const soon = task({ dueOn: "2026-11-26" });
  const done = task({ dueOn: TODAY, completed: true });
  expect(listContaining(late, "all", TODAY)).toBe("all");
  expect(listContaining(late, "upcoming", TODAY)).toBe("today");
  expect(listContaining(soon, "today", TODAY)).toBe("upcoming");
  expect(listContaining(task(), "today", TODAY)).toBe("all");
  expect(listContaining(done, "all", TODAY)).toBe("completed");
  expect(listContaining(task({ ...done, trashedAt: TODAY }), "all", TODAY)).toBe("trash");
});

test.each([
  [task(), ""],
  [task({ completed: true, dueOn: "2026-11-01" }), "Completed. Due 1 Nov."],
  [task({ dueOn: "2026-11-24", priority: "LOW" }), "Low priority. Late: due yesterday."],
  [
    task({ dueOn: "2026-11-29", labels: ["a", "b"] }),
    "Due Sunday. Labels: \u2068a\u2069, \u2068b\u2069.",
  ],
])("screen readers get what a row shows besides the title", (one, said) => {
  expect(describeTask(one, TODAY)).toBe(said);
});

const sorted = (tasks: Task[], sort: Sort) => tasks.toSorted((a, b) => compareTasks(sort, a, b));

test("tasks without a due date come last, and urgent ones first", () => {
  const none = task();
  const high = task({ priority: "HIGH", dueOn: "2026-12-01" });
  const urgent = task({ priority: "URGENT", dueOn: "2026-12-02" });
  expect(sorted([none, urgent, high], "due")).toEqual([high, urgent, none]);
  expect(sorted([none, high, urgent], "priority")).toEqual([urgent, high, none]);
});

test.each([
  ["2026-11-24", "Yesterday"],
  ["2026-11-25", "Today"],
  ["2026-11-26", "Tomorrow"],
  ["2026-11-29", "Sunday"],
  ["2026-12-24", "24 Dec"],
  ["2027-01-02", "2 Jan 2027"],
])("%s is written %s", (day, said) => {
  expect(formatDay(day, TODAY)).toBe(said);
});
