import { type Column, columnNamed } from "./columns";
import { TransferError } from "./transfer-error";

/** A row of a spreadsheet or a task of a JSON file, with its number for error messages. */
export type Row = { number: number; values: Readonly<Partial<Record<Column, unknown>>> };

/** Why a row cannot be imported. */
export type RowError = { number: number; reason: string; unit?: "Project" };

export type Table = {
  /** What `number` counts. */
  unit: "Row" | "Task";
  rows: Row[];
  /** The projects of a JSON file. A CSV file has only their names, in its rows. */
  projects: readonly unknown[];
  rowErrors: RowError[];
  /** Headings of unknown columns. */
  unknown: string[];
  /** Whether the file has the columns of an export. */
  isExport: boolean;
};

const DELIMITERS = [",", ";", "\t", "|"] as const;
/** For files with one column, whose cells may contain any of the delimiters. */
const NO_DELIMITER = "\u001F";

const NO_TITLES =
  "The first row of this file names no column “title”. " +
  "Add a first row with the names of the columns: title, description, completed, priority, dueOn, labels.";

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Parse a JSON or CSV text.
 *
 * @throws {TransferError}
 */
export function parseTable(text: string): Table | Promise<Table> {
  return /^\s*[[{]/.test(text) ? fromJson(text) : fromCsv(text);
}

function fromJson(text: string): Table {
  const { list, projects } = parseLists(text);
  const rows: Row[] = [];
  const rowErrors: RowError[] = [];
  const unknown = new Set<string>();
  for (const [index, item] of list.entries()) {
    const number = index + 1;
    if (isObject(item)) rows.push({ number, values: valuesOf(item, unknown) });
    else rowErrors.push({ number, reason: "this is not a task" });
  }
  return { unit: "Task", rows, projects, rowErrors, unknown: [...unknown], isExport: false };
}

function parseLists(text: string): { list: readonly unknown[]; projects: readonly unknown[] } {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new TransferError("This JSON file is damaged or incomplete. Export it again.");
  }
  const list = isObject(read) && "tasks" in read ? read.tasks : read;
  if (!Array.isArray(list))
    throw new TransferError(
      "This JSON file has no list of tasks. Choose a file that was exported from here.",
    );
  const projects = isObject(read) && Array.isArray(read.projects) ? read.projects : [];
  return { list, projects };
}

function valuesOf(item: Readonly<Record<string, unknown>>, unknown: Set<string>): Row["values"] {
  const values: Partial<Record<Column, unknown>> = {};
  for (const [name, value] of Object.entries(item)) {
    const column = columnNamed(name);
    if (column === null) unknown.add(name);
    else if (!(column in values) || column === name) values[column] = value;
  }
  return values;
}

/** Remove Excel's first line, which names the delimiter and is not counted as a row. */
function withoutSeparatorLine(text: string): [text: string, delimiter: string | null] {
  const [line, delimiter] = /^"?sep=(.)"?[^\S\r\n]*(?:\r\n|\r|\n)/i.exec(text) ?? [];
  return line && delimiter ? [text.slice(line.length), delimiter] : [text, null];
}

type Cells = { cells: string[][]; openQuoteAt: number | null };

async function parseCells(text: string, delimiter: string, preview = 0): Promise<Cells> {
  const { parse } = await import("papaparse");
  const { data, errors } = parse<string[]>(text, { delimiter, preview });
  const open = errors.find(({ code }) => code === "MissingQuotes");
  return { cells: data, openQuoteAt: open ? (open.row ?? data.length - 1) + 1 : null };
}

const isBlank = (row: readonly string[]) => row.every((cell) => cell.trim() === "");

/** Return the delimiter with which the heading row names the most known columns. */
async function delimiterOf(text: string): Promise<string> {
  let best: string = NO_DELIMITER;
  let most = 1;
  const start = text.replace(/^\s+/, "");
  for (const delimiter of DELIMITERS) {
    const { cells } = await parseCells(start, delimiter, 1);
    const names = cells[0]?.map(columnNamed) ?? [];
    const known = names.filter((name) => name !== null).length;
    const width = names.length;
    if (names.includes("title") && width > 1 && known >= most) {
      best = delimiter;
      most = known + 1;
    }
  }
  return best;
}

async function fromCsv(given: string): Promise<Table> {
  const [text, named] = withoutSeparatorLine(given);
  const { cells, openQuoteAt } = await parseCells(text, named ?? (await delimiterOf(text)));
  const start = cells.findIndex((row) => !isBlank(row));
  const headings = cells[start] ?? [];
  const columns = columnsOf(headings);
  if (!columns.includes("title")) throw new TransferError(NO_TITLES);
  const rows: Row[] = [];
  const rowErrors: RowError[] = [];
  if (openQuoteAt !== null) {
    rowErrors.push({ number: openQuoteAt, reason: "a quotation mark is never closed" });
  }
  for (const [index, row] of cells.entries()) {
    if (index <= start || isBlank(row)) continue;
    const number = index + 1;
    if (!isBlank(row.slice(columns.length))) {
      rowErrors.push({ number, reason: "it has more cells than the heading row" });
    }
    const cellsByColumn = columns.flatMap((column, at) =>
      column ? [[column, row[at] ?? ""]] : [],
    );
    rows.push({ number, values: Object.fromEntries(cellsByColumn) });
  }
  const unknown = headings.filter((name, at) => name.trim() !== "" && !columns[at]);
  const isExport = (["id", "title", "position"] as const).every((name) => columns.includes(name));
  return { unit: "Row", rows, projects: [], rowErrors, unknown, isExport };
}

/** Return the column of each heading. If two mean the same column, the exact name wins. */
function columnsOf(headings: readonly string[]): (Column | null)[] {
  const named = headings.map(columnNamed);
  return named.map((column, at) => {
    const exact = headings.findIndex((heading) => heading.trim() === column);
    return at === (exact === -1 ? named.indexOf(column) : exact) ? column : null;
  });
}
