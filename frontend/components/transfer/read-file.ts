import { COLORS } from "@/components/projects/project";
import { PRIORITIES } from "@/components/tasks/task";
import {
  codePointCount,
  MAX_DESCRIPTION,
  MAX_LABEL,
  MAX_LABELS,
  MAX_PROJECT_NAME,
  MAX_TITLE,
} from "@/components/tasks/text";
import type { CreateProjectInput, CreateTaskInput } from "@/gql/graphql";
import { type DateOrder, dateReader, detectOrder, isAmbiguous, type ParsedDate } from "./dates";
import { decode, decodeAs, type LegacyEncoding } from "./decode";
import { removeApostrophe, splitLabels } from "./export";
import { isObject, parseTable, type Row, type RowError, type Table } from "./table";
import { TransferError } from "./transfer-error";

/** The person's answers about a file. */
export type Answers = { encoding?: LegacyEncoding; order?: DateOrder };

/** A task of the file, with its row number and its id, if the file has one. */
export type ParsedTask = {
  number: number;
  ownId: string | null;
  input: Omit<CreateTaskInput, "id" | "projectId">;
  /** The name of its project, or null. */
  project: string | null;
};

/** A project of the file. The import uses an existing project with the same name. */
export type ParsedProject = Omit<CreateProjectInput, "id">;

export type Reading =
  | { asks: "encoding" }
  /** `example` is a date of the file that means another day in each order. */
  | { asks: "order"; example: string; days: Readonly<Record<DateOrder, string>> }
  | {
      asks: null;
      tasks: ParsedTask[];
      projects: ParsedProject[];
      rowErrors: RowError[];
      unit: Table["unit"];
      /** Headings of unknown columns, which are skipped. */
      unknown: string[];
      /** The number of rows that were in the trash at the export. They are skipped. */
      trashed: number;
    };

/** Words for true and false in many languages. */
const TRUE =
  /^(true|wahr|vrai|verdadero|vero|verdadeiro|waar|prawda|sant|sand|tosi|истина|真|yes|y|ja|oui|sí|si|x|✓|✔|1)$/i;
const FALSE =
  /^(false|falsch|faux|falso|onwaar|fałsz|falskt|falsk|usann|epätosi|ложь|偽|no|n|nein|non|0|)$/i;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NO_IDS = /^(0{8}(-0{4}){3}-0{12}|f{8}(-f{4}){3}-f{12})$/;

/**
 * Whether the API accepts a position: a fractional index key in base 62, whose first letter encodes
 * its length.
 */
function isPosition(key: string): boolean {
  if (!/^[A-Za-z][0-9A-Za-z]{1,254}$/.test(key) || key === `A${"0".repeat(26)}`) return false;
  const letter = key.charCodeAt(0);
  const whole = key >= "a" ? letter - 95 : 92 - letter;
  return key.length === whole || (key.length > whole && !key.endsWith("0"));
}

const count = (number: number) => number.toLocaleString("en");

/** Reject Excel's and Apple's files, which are archives. */
function refuseWorkbook(bytes: Uint8Array): void {
  const start = String.fromCharCode(...bytes.subarray(0, 4));
  if (start === "PK\u0003\u0004" || start === "\u00D0\u00CF\u0011\u00E0") {
    throw new TransferError(
      "This is an Excel or Numbers file. Save or export it as CSV, and import that file.",
    );
  }
}

/**
 * Return the tasks of a JSON or CSV file, or the question that the person must answer first.
 *
 * @param locales the person's languages, in which the file may name months.
 * @throws {TransferError}
 */
export async function readFile(
  bytes: Uint8Array,
  answers: Answers,
  locales: readonly string[],
): Promise<Reading> {
  refuseWorkbook(bytes);
  const text = decode(bytes) ?? (answers.encoding && decodeAs(bytes, answers.encoding)) ?? null;
  if (text === null) return { asks: "encoding" };
  const table = await parseTable(text);
  const read = dateReader(locales);
  const dates = new Map(
    table.rows
      .map(({ values }) => textOf(values.dueOn).trim())
      .filter(Boolean)
      .map((cell) => [cell, read(cell)]),
  );
  const order = detectOrder([...dates.values()]) ?? answers.order;
  if (order === undefined) {
    for (const [example, date] of dates) {
      const { "day-first": dayFirst, "month-first": monthFirst } = date;
      if (isAmbiguous(date) && dayFirst !== null && monthFirst !== null) {
        const days = { "day-first": dayFirst, "month-first": monthFirst };
        return { asks: "order", example, days };
      }
    }
  }
  return parseTasks(table, dates, order ?? "day-first");
}

function parseTasks(
  table: Table,
  dates: ReadonlyMap<string, ParsedDate>,
  order: DateOrder,
): Reading {
  const { unit, rows, unknown } = table;
  const rowErrors = [...table.rowErrors];
  const tasks: ParsedTask[] = [];
  const ids = new Set<string>();
  let trashed = 0;
  for (const row of rows) {
    if (textOf(row.values.trashedAt)) {
      trashed += 1;
      continue;
    }
    const reasons: string[] = [];
    const input = inputOf(row, table, dates, order, reasons);
    const project = projectNameIn(row.values.project, table, reasons);
    rowErrors.push(...reasons.map((reason) => ({ number: row.number, reason })));
    // A row that was copied within the file is a separate task.
    const id = idIn(row);
    const ownId = id !== null && !ids.has(id) ? id : null;
    if (ownId !== null) ids.add(ownId);
    tasks.push({ number: row.number, ownId, input, project });
  }
  rowErrors.sort((a, b) => a.number - b.number);
  const projects = parseProjects(table, rowErrors);
  return { asks: null, tasks, projects, rowErrors, unit, unknown, trashed };
}

/** Return the projects of a JSON file, without those in the trash. */
function parseProjects(table: Table, rowErrors: RowError[]): ParsedProject[] {
  const projects: ParsedProject[] = [];
  for (const [index, item] of table.projects.entries()) {
    const values = isObject(item) ? item : {};
    if (textOf(values.trashedAt)) continue;
    const reasons: string[] = [];
    const name = projectNameIn(values.name, table, reasons);
    const description = textOf(values.description);
    if (name === null) reasons.push("it has no name");
    if (!isDescription(description)) reasons.push("its description is too long or damaged");
    const problems = reasons.map(
      (reason): RowError => ({ number: index + 1, reason, unit: "Project" }),
    );
    rowErrors.push(...problems);
    const position = textOf(values.position);
    projects.push({
      name: name ?? "",
      description,
      color: COLORS.find((one) => one === values.color) ?? "GRAY",
      archived: values.archived === true,
      ...(isPosition(position) && { position }),
    });
  }
  return projects;
}

const isDescription = (text: string) =>
  codePointCount(text) <= MAX_DESCRIPTION && !/(?![\r\n\t])[\p{Cc}\p{Cs}]/u.test(text);

/** Return the name of a project, or null if there is none. */
function projectNameIn(value: unknown, { isExport }: Table, reasons: string[]): string | null {
  const text = textOf(value);
  const name = (isExport ? removeApostrophe(text) : text).trim();
  if (codePointCount(name) > MAX_PROJECT_NAME) {
    reasons.push(lengthProblem("name of the project", name, MAX_PROJECT_NAME));
  } else if (/[\p{Cc}\p{Cs}]/u.test(name)) {
    reasons.push("the name of the project has a line break or a control character");
  }
  return name || null;
}

/** Return the text of a cell, or of a JSON value that is a string or a number. */
function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Return the id if it is a task's id here, and not a row number of another program. */
function idIn({ values }: Row): string | null {
  const id = textOf(values.id).trim().toLowerCase();
  return UUID.test(id) && !NO_IDS.test(id) ? id : null;
}

function inputOf(
  { values }: Row,
  { isExport }: Table,
  dates: ReadonlyMap<string, ParsedDate>,
  order: DateOrder,
  reasons: string[],
): ParsedTask["input"] {
  const plain = isExport ? removeApostrophe : (text: string) => text;
  const title = plain(textOf(values.title)).trim();
  if (!title) reasons.push("it has no title");
  else if (codePointCount(title) > MAX_TITLE) {
    reasons.push(lengthProblem("title", title, MAX_TITLE));
  } else if (/[\r\n]/.test(title)) reasons.push("the title has a line break");
  else if (/[\p{Cc}\p{Cs}]/u.test(title)) reasons.push("the title has a control character");
  const description = plain(textOf(values.description));
  if (codePointCount(description) > MAX_DESCRIPTION) {
    reasons.push(lengthProblem("description", description, MAX_DESCRIPTION));
  } else if (/(?![\r\n\t])[\p{Cc}\p{Cs}]/u.test(description)) {
    reasons.push("the description has a control character");
  }
  const position = textOf(values.position).trim();
  return {
    title,
    description,
    completed: completedIn(values.completed, reasons),
    priority: priorityIn(values.priority, reasons),
    dueOn: dueOnIn(textOf(values.dueOn).trim(), dates, order, reasons),
    labels: labelsIn(values.labels, plain, reasons),
    ...(isPosition(position) && { position }),
  };
}

const lengthProblem = (what: string, text: string, most: number) =>
  `the ${what} has ${count(codePointCount(text))} characters, of ${count(most)} at most`;

function completedIn(value: unknown, reasons: string[]): boolean {
  if (typeof value === "boolean") return value;
  const text = textOf(value).trim();
  if (!(FALSE.test(text) || TRUE.test(text))) {
    reasons.push(`“${text}” is neither true nor false: write true or false`);
  }
  return TRUE.test(text);
}

function priorityIn(value: unknown, reasons: string[]) {
  const text = textOf(value).trim();
  if (!text) return "NONE";
  const priority = PRIORITIES.find((one) => one === text.toUpperCase());
  if (!priority) reasons.push(`“${text}” is not a priority: write ${PRIORITIES.join(", ")}`);
  return priority ?? "NONE";
}

function dueOnIn(
  cell: string,
  dates: ReadonlyMap<string, ParsedDate>,
  order: DateOrder,
  reasons: string[],
): string | null {
  if (!cell) return null;
  const date = dates.get(cell);
  const other = order === "day-first" ? "month-first" : "day-first";
  const day = date?.[order] ?? date?.[other] ?? null;
  if (day === null) reasons.push(`“${cell}” is not a day: write it as 2026-12-31`);
  return day;
}

function labelsIn(value: unknown, plain: (text: string) => string, reasons: string[]): string[] {
  const given = Array.isArray(value) ? value.map(textOf) : splitLabels(plain(textOf(value)));
  const labels = given.map((label) => label.trim()).filter(Boolean);
  const long = labels.find((label) => codePointCount(label.normalize("NFC")) > MAX_LABEL);
  if (long !== undefined) reasons.push(lengthProblem("label", long, MAX_LABEL));
  else if (labels.some((label) => /[\p{Cc}\p{Cs}]/u.test(label))) {
    reasons.push("a label has a line break or a control character");
  }
  const different = new Set(labels.map((label) => label.normalize("NFC").toLowerCase()));
  if (different.size > MAX_LABELS) {
    reasons.push(`it has ${count(different.size)} labels, of ${MAX_LABELS} at most`);
  }
  return labels;
}
