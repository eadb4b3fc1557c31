import { describe, expect, test } from "vitest";
import { complete, completionAt } from "../components/tasks/completion";
import { isDayFirst, readDay } from "../components/tasks/dates";
import {
  moveLongTitle,
  parseLine,
  parsePastedLines,
  planTask,
} from "../components/tasks/quick-add";
import { viewOf } from "../components/tasks/view";
import { firstWeekday } from "../lib/locales";

// A Wednesday.
const NOW = new Date(2026, 10, 25, 12);
const TODAY = "2026-11-25";
const ALL = viewOf(new URLSearchParams());

const read = (line: string, plain: string[] = []) =>
  parseLine(line, { now: NOW, dayFirst: true, projects: [] }, plain);

const asItStands = (line: string) => ({
  title: line,
  dueOn: null,
  priority: "NONE",
  labels: [],
  projectId: null,
  chips: [],
});

describe("a line", () => {
  test("may have a day, a priority and labels in any order", () => {
    expect(read("call the bank tomorrow !high #home")).toMatchObject({
      title: "call the bank",
      dueOn: "2026-11-26",
      priority: "HIGH",
      labels: ["home"],
    });
    expect(read("#home !1 friday call #Work")).toMatchObject({
      title: "call",
      dueOn: "2026-11-27",
      priority: "URGENT",
      labels: ["home", "Work"],
    });
  });

  test("shows a repeated word as one chip", () => {
    const { chips, labels } = read("sweep #home #home #Home !high !high");
    expect(labels).toEqual(["home"]);
    expect(chips.map(({ words }) => words)).toEqual(["#home", "!high"]);
  });

  test.each([
    ["pay rent on 1 December", "pay rent", "2026-12-01"],
    ["pay rent Dec 1st", "pay rent", "2026-12-01"],
    ["pay rent on the 1st of December 2027", "pay rent", "2027-12-01"],
    ["dinner Friday, 4 December", "dinner", "2026-12-04"],
    ["dinner on fri 4 dec with Bob", "dinner with Bob", "2026-12-04"],
    ["renew the passport in 2 weeks", "renew the passport", "2026-12-09"],
    ["renew the passport in 3 weeks", "renew the passport", "2026-12-16"],
    ["renew the passport in 1 month", "renew the passport", "2026-12-25"],
    ["renew the passport next month", "renew the passport", "2026-12-25"],
    ["renew the passport in a year", "renew the passport", "2027-11-25"],
    ["pay at the end of the month", "pay", "2026-11-30"],
    ["pay by the end of next month", "pay", "2026-12-31"],
    ["pay end of December", "pay", "2026-12-31"],
    ["taxes by 2027-05-31", "taxes", "2027-05-31"],
    ["dentist today", "dentist", "2026-11-25"],
    ["dentist the day after tomorrow", "dentist", "2026-11-27"],
    ["report due on friday", "report", "2026-11-27"],
    ["report due fri", "report", "2026-11-27"],
    ["report next friday", "report", "2026-12-04"],
    ["Today: buy milk", "buy milk", "2026-11-25"],
    ["Call mum (tomorrow)", "Call mum", "2026-11-26"],
    ["Call mum, tomorrow", "Call mum", "2026-11-26"],
    ["Call mum tomorrow!", "Call mum!", "2026-11-26"],
    // A time stays in the title: tasks have none.
    ["Call mum tomorrow at 5pm", "Call mum at 5pm", "2026-11-26"],
    ["Call mum at 5 tomorrow", "Call mum at 5", "2026-11-26"],
    ["Call mum at 17:00 on friday", "Call mum at 17:00", "2026-11-27"],
    // A past day is used only with its year.
    ["Review last week's notes tomorrow", "Review last week's notes", "2026-11-26"],
    ["Pay the bill of Bob 01.10.2026", "Pay the bill of Bob", "2026-10-01"],
  ])("%s", (line, title, dueOn) => {
    expect(read(line)).toMatchObject({ title, dueOn });
  });

  test("counts months from the 31st to the last day of a shorter month", () => {
    const reader = { now: new Date(2027, 0, 31, 12), dayFirst: true, projects: [] };
    for (const words of ["in 1 month", "next month"]) {
      expect(parseLine(`pay ${words}`, reader, [])).toMatchObject({ dueOn: "2027-02-28" });
    }
  });

  test.each([
    "read 1984",
    "ask about !important things",
    "C# and F#",
    "issue #",
    "call at 5",
    "what now",
    // Numbers that are not dates.
    "1/2 cup sugar",
    "24/7 support number",
    "1.5 kg flour",
    "2/3 of the fence",
    "upgrade 3.11.2",
    "version 1.12.26",
    "Fix bug #42",
    "make it #1a2b3c",
    "Meet on the 99th !whatever # 25:99",
    "Rechnung 31.02.2026",
    "https://example.com/2026-12-01/notes",
    "read pages 1-3 December",
    "march 3 miles",
    // Words that are not dates.
    "buy sun cream",
    "I sat down",
    "wed the bride",
    "Appeler mon oncle",
    "ask whether I may",
    "Prepare for Black Friday",
    // Phrases that contain a day.
    "Water plants every monday",
    "Water plants every other friday",
    "Water plants every week on monday",
    "Stand-up daily, also today",
    "Review last Monday's notes",
    "Review today's notes",
    "Review notes of 1 December",
    "Notes from yesterday",
    "Should have called yesterday",
    "On mondays only",
    "Trip from monday to friday",
    "Call on friday or saturday",
    "Lunch friday next week",
    "Call mum tomorrow evening",
    "Friday night dinner",
    "Return the books before friday",
    "Plan for next week",
    "boil eggs in 5 minutes",
    "in 2 weeks' time",
    "finish in 2 weeks and 3 days",
    "ready 3 days from now",
    "Bring a sun-hat",
  ])("%s: nothing is recognized", (line) => {
    expect(read(line)).toEqual(asItStands(line));
  });

  test.each([
    ["Rechnung 01.12.2026", true, "2026-12-01"],
    ["Rechnung 01.12.2026", false, "2026-12-01"],
    ["Miete am 01.12.2026", true, "2026-12-01"],
    ["invoice 01/12/2026", true, "2026-12-01"],
    ["invoice 01/12/2026", false, "2026-01-12"],
    ["invoice 12-01-2026", false, "2026-12-01"],
    // Only one order is valid.
    ["invoice 12/31/2026", true, "2026-12-31"],
    ["invoice 31/12/2026", false, "2026-12-31"],
    ["invoice 2026/12/01", false, "2026-12-01"],
  ])("%s, day first: %s", (line, dayFirst, dueOn) => {
    expect(parseLine(line, { now: NOW, dayFirst, projects: [] }, []).dueOn).toBe(dueOn);
  });

  test.each([
    ["en-GB", true],
    ["de-DE", true],
    ["fr", true],
    ["en-US", false],
    ["ja", false],
  ])("%s writes the day first: %s", (locale, dayFirst) => {
    expect(isDayFirst(locale)).toBe(dayFirst);
  });

  test("accepts an invalid locale", () => {
    expect(isDayFirst("en-US@posix")).toBeTypeOf("boolean");
  });

  test.each([
    ["#हिन्दी", "हिन्दी"],
    ["#می‌خواهم", "می‌خواهم"],
    ["#עִבְרִית", "עִבְרִית"],
    ["#Straße", "Straße"],
    ["#🏠", "🏠"],
    ["#1on1", "1on1"],
    ["#b2b", "b2b"],
    ["#दो_शब्द", "दो_शब्द"],
  ])("%s is a label", (words, label) => {
    expect(read(`read ${words}`)).toMatchObject({ title: "read", labels: [label] });
  });

  test("has one priority and each label once; others stay in the title", () => {
    expect(read("call !low bob !high")).toMatchObject({
      title: "call !low bob",
      priority: "HIGH",
      chips: [{ words: "!high" }],
    });
    expect(read("call #home #home #Home")).toMatchObject({
      title: "call",
      labels: ["home"],
      chips: [{ words: "#home" }],
    });
    const many = Array.from({ length: 22 }, (_, n) => `#label${n}`);
    expect(read(`call ${many.join(" ")}`)).toMatchObject({
      title: "call #label20 #label21",
      labels: many.slice(0, 20).map((words) => words.slice(1)),
    });
  });

  test("keeps words in the title if the person wants that", () => {
    expect(read("watch Tomorrow #film", ["Tomorrow"])).toMatchObject({
      title: "watch Tomorrow",
      dueOn: null,
      labels: ["film"],
    });
    expect(read("call on friday", ["on friday"])).toEqual(asItStands("call on friday"));
  });

  test("never leaves a task without a title", () => {
    expect(read("tomorrow").title).toBe("tomorrow");
    expect(read("#home !high").title).toBe("#home !high");
  });
});

describe("a title", () => {
  const plan = (title: string) => planTask(read(title), ALL, TODAY);

  test("may have 200 code points, however many UTF-16 units they have", () => {
    const title = `${"a".repeat(199)}🏠`;
    expect(plan(title)).toMatchObject({ title, problem: null });
    expect(plan("🏠".repeat(200))).toMatchObject({ problem: null });
  });

  test("that is longer is rejected with a sentence, not cut", () => {
    const title = "a".repeat(344);
    expect(plan(title)).toMatchObject({
      title,
      problem: "A title can have 200 characters. This one has 344.",
    });
  });

  test("that is longer in a pasted line moves to the description", () => {
    const line = "word ".repeat(69).trim();
    const made = moveLongTitle(plan(line));
    expect(made).toMatchObject({ description: line, problem: null });
    expect(made.title).toBe(`${"word ".repeat(39).trim()}…`);
    expect(moveLongTitle(plan("🏠".repeat(201))).title).toBe(`${"🏠".repeat(199)}…`);
    expect(moveLongTitle(plan("a".repeat(10_001))).problem).toBe(
      "A description can have 10,000 characters. This one has 10,001.",
    );
  });

  test("has a space instead of a control character", () => {
    expect(plan("a\tb\u0007c").title).toBe("a b c");
  });
});

test("a view adds its own values, and overrides none of the line", () => {
  const view = viewOf(new URLSearchParams("view=today&label=Home&priority=LOW"));
  expect(planTask(read("call"), view, TODAY)).toMatchObject({
    dueOn: TODAY,
    labels: ["Home"],
    priority: "LOW",
  });
  expect(planTask(read("call tomorrow #home !high"), view, TODAY)).toMatchObject({
    dueOn: "2026-11-26",
    labels: ["home"],
    priority: "HIGH",
  });
});

describe("a pasted text", () => {
  const texts = (text: string) => parsePastedLines(text).map((line) => line.text);

  test("loses its list markers", () => {
    expect(texts("- milk\n* [ ] eggs\r\n\n 3. bread\n• 2 lemons\nplain")).toEqual([
      "milk",
      "eggs",
      "bread",
      "2 lemons",
      "plain",
    ]);
    expect(texts("1) one\n2) two\n3) three")).toEqual(["one", "two", "three"]);
  });

  test("keeps numbers and signs that are not list markers", () => {
    const lines = ["1/2 cup sugar", "1.5 kg flour", "24. December", "-5 degrees", "2 eggs"];
    expect(texts(lines.join("\n"))).toEqual(lines);
  });

  test("with a checked box is a completed task", () => {
    expect(parsePastedLines("- [x] milk\n- [ ] eggs\n[X] bread\n- [] tea\n[x]y")).toEqual([
      { text: "milk", completed: true },
      { text: "eggs", completed: false },
      { text: "bread", completed: true },
      { text: "tea", completed: false },
      { text: "[x]y", completed: false },
    ]);
  });
});

describe("a project in a line", () => {
  const PROJECTS = [
    { id: "house", name: "House" },
    { id: "move", name: "House move" },
    { id: "friday", name: "Friday #plans" },
  ];
  const parse = (line: string, plain: string[] = []) =>
    parseLine(line, { now: NOW, dayFirst: true, projects: PROJECTS }, plain);

  test.each([
    ["pack +House move tomorrow", "pack", "move"],
    ["pack +house !high", "pack", "house"],
    ["+HOUSE MOVE pack", "pack", "move"],
    ["pack +House moving boxes", "pack moving boxes", "house"],
    ["pack +House +House", "pack", "house"],
    ["pack +House +House move", "pack +House", "move"],
  ])("%s", (line, title, projectId) => {
    expect(parse(line)).toMatchObject({ title, projectId });
  });

  test.each(["pack +Garden", "call +49 30 1234", "C++ House", "1+House", "+House", "pack +Houses"])(
    "is not created, and what is not its name stays in the title: %s",
    (line) => {
      expect(parse(line)).toMatchObject({ title: line, projectId: null });
    },
  );

  test("may have a name with a day and a label in it", () => {
    expect(parse("write invitations +Friday #plans")).toMatchObject({
      title: "write invitations",
      projectId: "friday",
      dueOn: null,
      labels: [],
    });
  });

  test("stays in the title if the person keeps its words as plain text", () => {
    expect(parse("pack +House", ["+House"])).toMatchObject({
      title: "pack +House",
      projectId: null,
    });
  });

  test("is the project of the view, unless the line names another one", () => {
    const view = { ...ALL, project: "house" };
    expect(planTask(parse("pack"), view, TODAY).projectId).toBe("house");
    expect(planTask(parse("pack +House move"), view, TODAY).projectId).toBe("move");
  });
});

describe("a completion", () => {
  const known = {
    projects: ["House", "House move", "My house", "Garden"].map((name) => ({
      id: name,
      name,
      color: "GRAY" as const,
    })),
    labels: ["home", "work", "two words"],
  };
  const namesAt = (line: string, caret = line.length) =>
    completionAt(line, caret, known)?.options.map(({ name }) => name) ?? null;

  test.each([
    ["pack +ho", ["House", "House move", "My house"]],
    ["pack +House m", ["House move"]],
    ["pack +", ["House", "House move", "My house", "Garden"]],
    ["pack #", ["home", "work"]],
    ["#W", ["work"]],
    // The name is already complete, or no project or label has it.
    ["pack +house", null],
    ["pack +House ", null],
    ["pack #home", null],
    ["pack +x", null],
    ["pack #two w", null],
    ["C++", null],
    ["1 + 1", null],
  ])("of %j offers %j", (line, names) => {
    expect(namesAt(line)).toEqual(names);
  });

  test("completes the word before the caret", () => {
    expect(namesAt("pack #wo +ho", 8)).toEqual(["work"]);
    const found = completionAt("pack +ho now", 8, known);
    const [option] = found?.options ?? [];
    expect(found && option && complete("pack +ho now", found, option)).toEqual({
      line: "pack +House now",
      caret: 12,
    });
  });

  test("is accepted by Enter for projects but not for labels, because labels may be new", () => {
    expect(completionAt("+ho", 3, known)?.takesFirst).toBe(true);
    expect(completionAt("+", 1, known)?.takesFirst).toBe(false);
    expect(completionAt("#ho", 3, known)?.takesFirst).toBe(false);
  });
});

describe("a text that is only a date", () => {
  const day = (text: string, dayFirst = true) => readDay(text, NOW, dayFirst);

  test("may be a short name, a phrase, or a day and a month", () => {
    expect(day("fri")).toBe("2026-11-27");
    expect(day(" in 2 weeks ")).toBe("2026-12-09");
    expect(day("3 dec")).toBe("2026-12-03");
    expect(day("2027-01-05")).toBe("2027-01-05");
    expect(day("31.5.27")).toBe("2027-05-31");
  });

  test("without a year is the next one", () => {
    expect(day("1.2.")).toBe("2027-02-01");
    expect(day("3/12")).toBe("2026-12-03");
    expect(day("3/12", false)).toBe("2027-03-12");
  });

  test("has no other words", () => {
    for (const text of ["", "soon", "call fri", "31.2.", "12"]) expect(day(text)).toBeNull();
  });
});

test("the first day of the week is that of the locale", () => {
  expect(["en-US", "en-GB", "de", "ar-EG", "pt-BR"].map(firstWeekday)).toEqual([0, 1, 1, 6, 0]);
});
