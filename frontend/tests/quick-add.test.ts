import { beforeAll, describe, expect, test } from "vitest";
import { linesOf, loadDates, readLine } from "../components/tasks/quick-add";

// A Wednesday.
const NOW = new Date(2026, 10, 25, 12);

let readDate: Awaited<ReturnType<typeof loadDates>>;

beforeAll(async () => {
  readDate = await loadDates();
});

const read = (line: string, plain: string[] = []) => readLine(line, NOW, plain, readDate);

describe("a line in plain words", () => {
  test("says a day, a priority and labels, in any order", () => {
    expect(read("call the bank tomorrow !high #home")).toMatchObject({
      title: "call the bank",
      dueOn: "2026-11-26",
      priority: "HIGH",
      labels: ["home"],
    });
    expect(read("#home !1 friday call #Work #home")).toMatchObject({
      title: "call",
      dueOn: "2026-11-27",
      priority: "URGENT",
      labels: ["home", "Work"],
    });
  });

  test("shows a word that is there twice once", () => {
    const { chips, labels } = read("sweep #home #home #Home !high !high");
    expect(labels).toEqual(["home"]);
    expect(chips.map(({ words }) => words)).toEqual(["#home", "!high"]);
  });

  test.each([
    ["pay rent on 1 December", "pay rent", "2026-12-01"],
    ["renew the passport in 2 weeks", "renew the passport", "2026-12-09"],
    ["taxes by 2027-05-31", "taxes", "2027-05-31"],
    ["dentist today", "dentist", "2026-11-25"],
  ])("%s", (line, title, dueOn) => {
    expect(read(line)).toMatchObject({ title, dueOn });
  });

  test.each([
    "read 1984",
    "ask about !important things",
    "C# and F#",
    "issue #",
    "call at 5",
    "what now",
  ])("%s: means no more than it says", (line) => {
    expect(read(line)).toEqual({
      title: line,
      dueOn: null,
      priority: "NONE",
      labels: [],
      chips: [],
    });
  });

  test("is plain where the person says so", () => {
    expect(read("watch Tomorrow #film", ["Tomorrow"])).toMatchObject({
      title: "watch Tomorrow",
      dueOn: null,
      labels: ["film"],
    });
  });

  test("never leaves a task without a title", () => {
    expect(read("tomorrow").title).toBe("tomorrow");
    expect(read("#home !high").title).toBe("#home !high");
  });
});

test("pasted lines lose what marks a list", () => {
  expect(linesOf("- milk\n* [x] eggs\r\n\n 3. bread\n• 2 lemons\nplain")).toEqual([
    "milk",
    "eggs",
    "bread",
    "2 lemons",
    "plain",
  ]);
});
