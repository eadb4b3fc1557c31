import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeAs, type LegacyEncoding } from "../components/transfer/decode";
import { toCsv, toJson } from "../components/transfer/export";
import { type Answers, type Reading, readFile } from "../components/transfer/read-file";
import { project } from "./project";
import { task } from "./task";

type Read = Extract<Reading, { asks: null }>;

const utf8 = new TextEncoder();
const utf16 = (text: string) => new Uint8Array(Buffer.from(`\uFEFF${text}`, "utf16le"));
/** Encode letters up to U+00FF as Windows programs in western Europe do. */
const western = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

const read = (file: string | Uint8Array, answers: Answers = {}) =>
  readFile(typeof file === "string" ? utf8.encode(file) : file, answers, ["en-US"]);

/** Return the content of the file. Throws if the file needs an answer. */
async function parsed(file: string | Uint8Array, answers: Answers = {}): Promise<Read> {
  const reading = await read(file, answers);
  if (reading.asks !== null) throw new Error(`asks for the ${reading.asks}`);
  return reading;
}

const inputs = async (file: string | Uint8Array, answers: Answers = {}) =>
  (await parsed(file, answers)).tasks.map(({ input }) => input);

const rowErrors = async (file: string | Uint8Array) =>
  (await parsed(file)).rowErrors.map(({ number, reason }) => `${number}: ${reason}`);

const days = async (cells: string[], answers: Answers = {}) =>
  (await inputs(`title\tdueOn\n${cells.map((cell) => `T\t${cell}\n`).join("")}`, answers)).map(
    ({ dueOn }) => dueOn,
  );

const TASKS = [
  task({ title: 'Say "hello", twice', labels: ["a, b", "friends", 'q"q'], priority: "HIGH" }),
  task({ title: "=1+1", description: "two\nlines; one, comma\tand a tab", dueOn: "2026-12-01" }),
  task({ title: "'=1+1", description: "'-5", labels: ["-x"] }),
  task({ title: "''quoted", description: " spaces around " }),
  task({ title: "Straße, дом, 東京, שלום 🧹", completed: true }),
];
const GONE = task({ title: "Gone", trashedAt: "2026-11-25T12:00:00Z" });

const EXPECTED = TASKS.map(
  ({ id, title, description, completed, priority, dueOn, labels, position }) => ({
    ownId: id,
    input: { title, description, completed, priority, dueOn, labels, position },
  }),
);

describe("an exported file", () => {
  test.each(["en-US", "de-DE"])("in CSV for %s is imported unchanged", async (locale) => {
    const reading = await parsed(await toCsv({ tasks: [...TASKS, GONE], projects: [] }, locale));
    expect(reading.tasks).toMatchObject(EXPECTED);
    expect(reading).toMatchObject({ rowErrors: [], unknown: [], trashed: 1 });
  });

  test("in JSON is imported unchanged", async () => {
    const reading = await parsed(toJson({ tasks: [...TASKS, GONE], projects: [] }));
    expect(reading.tasks).toMatchObject(EXPECTED);
    expect(reading).toMatchObject({ rowErrors: [], unknown: [], trashed: 1 });
  });

  test("has a byte order mark and a delimiter for the person's Excel", async () => {
    expect(await toCsv({ tasks: TASKS, projects: [] }, "en-US")).toMatch(/^\uFEFFid,title,/);
    expect(await toCsv({ tasks: TASKS, projects: [] }, "de-DE")).toMatch(/^\uFEFFid;title;/);
  });

  test("has no cell that a spreadsheet would run as a formula", async () => {
    expect(await toCsv({ tasks: TASKS, projects: [] }, "en-US")).not.toMatch(/(^|,)"?[=+@-]/m);
  });
});

describe("an exported file that LibreOffice 7.4 saved again", () => {
  const file = (name: string) =>
    readFileSync(`${import.meta.dirname}/files/libreoffice-${name}.csv`);
  const EXPORTED = [
    {
      title: "Straße fegen, дом, 東京 🧹",
      description: "two\nlines; one, comma",
      completed: false,
      priority: "HIGH",
      dueOn: "2026-12-31",
      labels: ["home", "a, b"],
      position: "a1",
    },
    { title: "=1+1", completed: true, dueOn: "2026-02-01", position: "a2" },
    { title: 'Say "hello"', description: "it's\ta tab", completed: false, dueOn: null },
  ];

  test("with American settings and dates like 12/31/26", async () => {
    expect(await inputs(file("american"))).toMatchObject(EXPORTED);
  });

  test("with German settings, dates like 31.12.26 and semicolons", async () => {
    expect(await inputs(file("german"))).toMatchObject(EXPORTED);
  });

  test("in UTF-16 with tabs", async () => {
    expect(await inputs(file("utf-16"))).toMatchObject(EXPORTED);
  });

  test("in Windows-1252, after the person has chosen it", async () => {
    expect(await read(file("german-windows-1252"))).toEqual({ asks: "encoding" });
    const [first, ...others] = EXPORTED;
    expect(await inputs(file("german-windows-1252"), { encoding: "windows-1252" })).toMatchObject([
      { ...first, title: "Straße fegen, Öl" },
      ...others,
    ]);
  });
});

describe("a file in the documented format of a program that is not tested here", () => {
  const american = [
    "Title,Description,Completed,Priority,Due On,Labels",
    'Call,"a, b",TRUE,High,12/31/2026,"home, work"',
    "Write,,FALSE,,1/2/2026,",
    "",
  ].join("\r\n");
  const german = [
    "Title;Description;Completed;Priority;Due On;Labels",
    "Call;a, b;WAHR;High;31.12.2026;home, work",
    "Write;;FALSCH;;02.01.2026;",
    "",
  ].join("\r\n");
  const both = [
    {
      title: "Call",
      description: "a, b",
      completed: true,
      priority: "HIGH",
      dueOn: "2026-12-31",
      labels: ["home", "work"],
    },
    { title: "Write", completed: false, priority: "NONE", dueOn: "2026-01-02", labels: [] },
  ];

  test.each([
    ["American Excel, CSV UTF-8", utf8.encode(`\uFEFF${american}`)],
    [
      "American Excel, Unicode text",
      utf16(
        american
          .replaceAll('"', "")
          .replaceAll("a, b", "a¸ b")
          .replaceAll("home, work", "home¸ work")
          .replaceAll(",", "\t")
          .replaceAll("¸", ","),
      ),
    ],
    ["German Excel, CSV UTF-8", utf8.encode(`\uFEFF${german}`)],
    ["German Excel, with a line that names the delimiter", utf8.encode(`sep=;\r\n${german}`)],
    ["Excel for Mac, lines that end with CR alone", utf8.encode(german.replaceAll("\r\n", "\r"))],
    ["Google Sheets and Numbers", utf8.encode(american.replaceAll("\r\n", "\n"))],
    [
      "Numbers, days with the names of months",
      utf8.encode(
        american.replace("12/31/2026", '"Dec 31, 2026"').replace("1/2/2026", '"Jan 2, 2026"'),
      ),
    ],
  ])("%s", async (_, bytes) => {
    expect(await inputs(bytes)).toMatchObject(both);
  });

  test.each<[LegacyEncoding, number[], string]>([
    ["windows-1252", [0xd6, 0x6c], "Öl"],
    ["macintosh", [0x85, 0x6c], "Öl"],
    ["windows-1251", [0xe4, 0xee, 0xec], "дом"],
    ["shift_jis", [0x93, 0x8c, 0x8b, 0x9e], "東京"],
  ])("in %s needs an answer about its encoding", async (encoding, title, expected) => {
    const bytes = new Uint8Array([...western("title\r\n"), ...title]);
    expect(await read(bytes)).toEqual({ asks: "encoding" });
    expect(decodeAs(bytes, encoding)).toContain(expected);
    expect(await inputs(bytes, { encoding })).toMatchObject([{ title: expected }]);
  });

  test("in UTF-16 without a byte order mark", async () => {
    const little = utf16("title\nÖl\n").slice(2);
    const big = little.map((_, at) => little[at ^ 1] ?? 0);
    expect(await inputs(little)).toMatchObject([{ title: "Öl" }]);
    expect(await inputs(big)).toMatchObject([{ title: "Öl" }]);
  });

  test.each([
    ["an Excel workbook", "PK\u0003\u0004"],
    ["an old Excel workbook", "\u00D0\u00CF\u0011\u00E0"],
  ])("%s is rejected with instructions", async (_, start) => {
    await expect(read(western(start))).rejects.toThrow("Save or export it as CSV");
  });
});

describe("a date", () => {
  test("with its year first, with dots, or with the name of a month is unambiguous", async () => {
    expect(
      await days([
        "2026-02-01",
        "2026/2/1",
        "2026. 2. 1.",
        "2026-02-01T00:00:00Z",
        "2026-02-01 0:00",
        "01.02.2026",
        "1. 2. 26",
        "1-Feb-26",
        "1 February 2026",
        "February 1, 2026",
      ]),
    ).toEqual(Array(10).fill("2026-02-01"));
  });

  test("with the name of a month in the person's language is recognized", async () => {
    const file = utf8.encode("title;dueOn\nT;1. Dezember 2026\nT;1. Dez. 2026\n");
    const reading = await readFile(file, {}, ["de-DE"]);
    expect(reading.asks === null && reading.tasks.map(({ input }) => input.dueOn)).toEqual([
      "2026-12-01",
      "2026-12-01",
    ]);
  });

  test("that is ambiguous needs an answer", async () => {
    const file = "title,dueOn\nT,01/02/2026\n";
    expect(await read(file)).toEqual({
      asks: "order",
      example: "01/02/2026",
      days: { "day-first": "2026-02-01", "month-first": "2026-01-02" },
    });
    expect(await inputs(file, { order: "day-first" })).toMatchObject([{ dueOn: "2026-02-01" }]);
    expect(await inputs(file, { order: "month-first" })).toMatchObject([{ dueOn: "2026-01-02" }]);
  });

  test("is decided by another date of the file that is valid in one order", async () => {
    expect(await days(["01/02/2026", "12/31/2026"])).toEqual(["2026-01-02", "2026-12-31"]);
    expect(await days(["01-02-2026", "31-12-2026"])).toEqual(["2026-02-01", "2026-12-31"]);
    expect(await days(["05/05/2026"])).toEqual(["2026-05-05"]);
  });

  test("needs an answer if the file contradicts itself", async () => {
    const cells = ["01/02/2026", "12/31/2026", "31/12/2026"];
    await expect(days(cells)).rejects.toThrow("asks for the order");
    expect(await days(cells, { order: "day-first" })).toEqual([
      "2026-02-01",
      "2026-12-31",
      "2026-12-31",
    ]);
  });

  test.each(["2026-02-30", "31/31/2026", "next week", "46387", "12/31/45", "0000-01-01"])(
    "%s is none, and its row is named",
    async (cell) => {
      expect(await rowErrors(`title,dueOn\nA,\nB,${cell}\n`)).toEqual([
        `3: “${cell}” is not a day: write it as 2026-12-31`,
      ]);
    },
  );
});

describe("a file of another program", () => {
  test("needs only titles", async () => {
    expect(await inputs("title,priority\nMilk,high\nEggs,\n")).toMatchObject([
      { title: "Milk", priority: "HIGH", labels: [], completed: false, dueOn: null },
      { title: "Eggs", priority: "NONE" },
    ]);
    expect(await inputs('[{"title": "Milk"}]')).toMatchObject([{ title: "Milk" }]);
  });

  test("of one column may contain any delimiter", async () => {
    expect(await inputs('title\nMilk, eggs; bread\n"Say ""hello"""\n')).toMatchObject([
      { title: "Milk, eggs; bread" },
      { title: 'Say "hello"' },
    ]);
  });

  test("keeps its apostrophes, and its ids are not used", async () => {
    const { tasks: found } = await parsed("id,name\n7,'-5\n");
    expect(found).toMatchObject([{ ownId: null, input: { title: "'-5" } }]);
  });

  test("with a copied row of an export has two tasks", async () => {
    const { id } = task();
    const { tasks: found } = await parsed(`id,title\n${id},A\n${id.toUpperCase()},B\n`);
    expect(found).toMatchObject([{ ownId: id }, { ownId: null }]);
  });

  test("reports skipped columns", async () => {
    expect(await parsed("title,Assignee\nMilk,Ada\n")).toMatchObject({ unknown: ["Assignee"] });
  });

  test.each([
    ["a list of none", "{}", "no list of tasks"],
    ["JSON that was cut off", '[{"title": "Mi', "damaged"],
    ["no titles", "a,b\n1,2", "names no column “title”"],
    ["a text", "milk", "names no column “title”"],
  ])("with %s is rejected with a sentence", async (_, file, told) => {
    await expect(read(file)).rejects.toThrow(told);
  });
});

describe("an error is reported with its row in the file", () => {
  const LONG = "a".repeat(201);

  test("as a spreadsheet numbers it, with blank rows and cells of several lines", async () => {
    const rows = Array.from({ length: 150 }, (_, at) => (at === 118 ? LONG : `"Task\t${at}"`));
    const file = `title,description\n${rows.map((title) => `${title},"two\nlines"`).join("\n")}`;
    expect((await rowErrors(file)).at(118)).toBe(
      "120: the title has 201 characters, of 200 at most",
    );
    expect(await rowErrors(`sep=;\ntitle;dueOn\n\nMilk;\n${LONG};\n`)).toEqual([
      "4: the title has 201 characters, of 200 at most",
    ]);
    expect(await rowErrors(JSON.stringify([{ title: "Milk" }, { title: LONG }]))).toEqual([
      "2: the title has 201 characters, of 200 at most",
    ]);
  });

  test("with characters counted as the API counts them", async () => {
    expect(await rowErrors(`title\n${"🧹".repeat(200)}\n`)).toEqual([]);
    expect(await rowErrors(`title\n${"🧹".repeat(201)}\n`)).toHaveLength(1);
  });

  test.each([
    ["title,labels\n,home", "2: it has no title"],
    ['title\n"Two\nlines"', "2: the title has a line break"],
    ["title\nA\u0007", "2: the title has a control character"],
    [
      `title,description\nA,${"d".repeat(10_001)}`,
      "2: the description has 10,001 characters, of 10,000 at most",
    ],
    ["title,description\nA,b\u0000", "2: the description has a control character"],
    [`title,labels\nA,${"l".repeat(51)}`, "2: the label has 51 characters, of 50 at most"],
    [
      `title,labels\nA,"${Array.from({ length: 21 }, (_, n) => n).join(",")}"`,
      "2: it has 21 labels, of 20 at most",
    ],
    [
      "title,priority\nA,silly",
      "2: “silly” is not a priority: write URGENT, HIGH, MEDIUM, LOW, NONE",
    ],
    ["title,completed\nA,maybe", "2: “maybe” is neither true nor false: write true or false"],
    ["title,labels\nA,home,work", "2: it has more cells than the heading row"],
    ['title,labels\nA,"home\nB,work', "2: a quotation mark is never closed"],
    ["[3]", "1: this is not a task"],
  ])("%j", async (file, told) => {
    expect(await rowErrors(file)).toContain(told);
  });
});

describe("the projects of an exported file", () => {
  const house = project({
    name: "=House, move",
    description: "two\nlines",
    color: "TEAL",
    archivedAt: "2026-11-25T12:00:00Z",
  });
  const empty = project({ name: "Empty" });
  const gone = project({ name: "Gone", trashedAt: "2026-11-25T12:00:00Z" });
  const exported = {
    tasks: [task({ project: { id: house.id } }), task()],
    projects: [house, empty, gone],
  };

  test.each(["en-US", "de-DE"])("are named by the tasks in CSV for %s", async (locale) => {
    const { tasks, unknown } = await parsed(await toCsv(exported, locale));
    expect(tasks.map((one) => one.project)).toEqual(["=House, move", null]);
    expect(unknown).toEqual([]);
  });

  test("are complete in JSON, without those in the trash", async () => {
    const { tasks, projects, ...reading } = await parsed(toJson(exported));
    expect(tasks.map((one) => one.project)).toEqual(["=House, move", null]);
    expect(projects).toEqual([
      {
        name: "=House, move",
        description: "two\nlines",
        color: "TEAL",
        archived: true,
        position: house.position,
      },
      { name: "Empty", description: "", color: "GRAY", archived: false, position: empty.position },
    ]);
    expect(reading.rowErrors).toEqual([]);
  });

  test("must have valid names", async () => {
    expect(await rowErrors(`title,project\nMilk,${"x".repeat(101)}\nEggs,"a\nb"\n`)).toEqual([
      "2: the name of the project has 101 characters, of 100 at most",
      "3: the name of the project has a line break or a control character",
    ]);
    const json = JSON.stringify({ tasks: [], projects: [{ name: " " }, 7] });
    expect((await parsed(json)).rowErrors).toEqual([
      { number: 1, reason: "it has no name", unit: "Project" },
      { number: 2, reason: "it has no name", unit: "Project" },
    ]);
  });
});
