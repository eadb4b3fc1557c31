import type { Project } from "@/components/projects/project";
import type { Task } from "@/components/tasks/task";
import { COLUMNS } from "./columns";

type Row = Readonly<Record<string, unknown>>;

/** The contents of an export. */
export type Exported = { tasks: readonly Task[]; projects: readonly Project[] };

/**
 * Return the tasks as rows. A task names its project, so that people can read and write the file.
 */
function rowsOf({ tasks, projects }: Exported): Row[] {
  const names = new Map(projects.map(({ id, name }) => [id, name]));
  return tasks.map((task) => {
    const values: Row = { ...task, project: names.get(task.project?.id ?? "") ?? null };
    return Object.fromEntries(COLUMNS.map((name) => [name, values[name]]));
  });
}

function projectRow(project: Project): Row {
  const { name, description, color, position, archivedAt, createdAt, trashedAt } = project;
  const archived = archivedAt !== null;
  return { name, description, color, position, archived, createdAt, trashedAt };
}

export function toJson(exported: Exported): string {
  const content = { projects: exported.projects.map(projectRow), tasks: rowsOf(exported) };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/**
 * Text that a spreadsheet would run as a formula, with or without apostrophes before it. It gets
 * one more apostrophe, and removing one always restores the text.
 */
const FORMULA = /^'*[=+\-@\t\r]/;

const addApostrophe = (value: unknown) =>
  typeof value === "string" && FORMULA.test(value) ? `'${value}` : value;

/** Return the text without the apostrophe that `toCsv` adds to formulas. */
export function removeApostrophe(text: string): string {
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text;
}

const quoteLabel = (label: string) =>
  /[",]/.test(label) ? `"${label.replaceAll('"', '""')}"` : label;

/** Return the labels of a task as one cell, separated by commas and quoted where necessary. */
const joinLabels = (labels: readonly string[]) => labels.map(quoteLabel).join(", ");

/** Return the labels of a cell that `joinLabels` or a person wrote. */
export function splitLabels(cell: string): string[] {
  const found = cell.matchAll(/\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))(?:,|$)/g);
  return [...found]
    .map(([, inQuotes, plain]) => (inQuotes?.replaceAll('""', '"') ?? plain ?? "").trim())
    .filter(Boolean);
}

/** Return a semicolon for locales with a decimal comma, as Excel expects it, else a comma. */
function delimiterIn(locale: string | undefined): string {
  const parts = new Intl.NumberFormat(locale).formatToParts(1.5);
  return parts.find(({ type }) => type === "decimal")?.value === "," ? ";" : ",";
}

/**
 * Return all tasks, with the names of their projects, as CSV that opens in a spreadsheet. The file
 * begins with a byte order mark, without which Excel does not detect UTF-8. Its delimiter is the
 * one that Excel expects in the locale.
 */
export async function toCsv(exported: Exported, locale?: string): Promise<string> {
  const { unparse } = await import("papaparse");
  const rows = rowsOf(exported).map((values, index) => {
    const row: Row = { ...values, labels: joinLabels(exported.tasks[index]?.labels ?? []) };
    return COLUMNS.map((name) => addApostrophe(row[name]));
  });
  const options = { delimiter: delimiterIn(locale), newline: "\r\n" };
  return `\uFEFF${unparse({ fields: [...COLUMNS], data: rows }, options)}\r\n`;
}
