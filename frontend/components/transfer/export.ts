import type { Task } from "@/components/tasks/task";
import { COLUMNS } from "./columns";

type Row = Readonly<Record<string, unknown>>;

function rowOf(task: Task): Row {
  return Object.fromEntries(COLUMNS.map((name) => [name, task[name]]));
}

export function toJson(tasks: readonly Task[]): string {
  return `${JSON.stringify({ tasks: tasks.map(rowOf) }, null, 2)}\n`;
}

/**
 * Text that a spreadsheet would run as a formula, and text that starts with the apostrophe that marks
 * such text. Both get an apostrophe in front, so that removing one always restores the text.
 */
const FORMULA = /^'*[=+\-@\t\r]/;

const addApostrophe = (value: unknown) =>
  typeof value === "string" && FORMULA.test(value) ? `'${value}` : value;

/** Return the text without the apostrophe that `toCsv` puts in front of formulas. */
export function removeApostrophe(text: string): string {
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text;
}

const quoteLabel = (label: string) =>
  /[",]/.test(label) ? `"${label.replaceAll('"', '""')}"` : label;

/** One cell of labels: separated by commas, in quotation marks where a label holds one of these. */
const joinLabels = (labels: readonly string[]) => labels.map(quoteLabel).join(", ");

/** Return the labels of a cell as `joinLabels` or a person writes it. */
export function splitLabels(cell: string): string[] {
  const found = cell.matchAll(/\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))(?:,|$)/g);
  return [...found]
    .map(([, inQuotes, plain]) => (inQuotes?.replaceAll('""', '"') ?? plain ?? "").trim())
    .filter(Boolean);
}

/** Excel separates columns by a semicolon where numbers have a decimal comma. */
function delimiterIn(locale: string | undefined): string {
  const parts = new Intl.NumberFormat(locale).formatToParts(1.5);
  return parts.find(({ type }) => type === "decimal")?.value === "," ? ";" : ",";
}

/**
 * Return all tasks as CSV that a spreadsheet opens by a double click: UTF-8 with a byte order mark,
 * which Excel needs to read it as UTF-8, and the delimiter that Excel expects in this locale.
 */
export async function toCsv(tasks: readonly Task[], locale?: string): Promise<string> {
  const { unparse } = await import("papaparse");
  const rows = tasks.map((task) => {
    const row: Row = { ...rowOf(task), labels: joinLabels(task.labels) };
    return COLUMNS.map((name) => addApostrophe(row[name]));
  });
  const options = { delimiter: delimiterIn(locale), newline: "\r\n" };
  return `\uFEFF${unparse({ fields: [...COLUMNS], data: rows }, options)}\r\n`;
}
