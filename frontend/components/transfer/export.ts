import type { CreateTaskInput } from "@/gql/graphql";
import { PRIORITIES, type Task } from "./task";

/*
 * All tasks as a file, and back. JSON and CSV hold the same; a file may be imported again, since each
 * task keeps its id.
 */

const COLUMNS = [
  "id",
  "title",
  "description",
  "completed",
  "priority",
  "dueOn",
  "labels",
  "position",
  "createdAt",
  "trashedAt",
] as const;

type Row = Readonly<Record<string, unknown>>;

function rowOf(task: Task): Row {
  return Object.fromEntries(COLUMNS.map((name) => [name, task[name]]));
}

export function toJson(tasks: readonly Task[]): string {
  return `${JSON.stringify({ tasks: tasks.map(rowOf) }, null, 2)}\n`;
}

/** Text that a spreadsheet would run as a formula is quoted by an apostrophe. */
const unquoted = (text: string) => text.replace(/^'(?=[=+\-@\t\r])/, "");

export async function toCsv(tasks: readonly Task[]): Promise<string> {
  const { unparse } = await import("papaparse");
  const rows = tasks.map((task) => ({ ...rowOf(task), labels: task.labels.join(", ") }));
  return unparse(rows, { columns: [...COLUMNS], escapeFormulae: true, newline: "\r\n" });
}

const textIn = (row: Row, name: string) => (typeof row[name] === "string" ? row[name] : "");

/** A task to create, from a row of a file that anybody may have written; null without a title. */
function inputOf(row: Row): CreateTaskInput | null {
  const text = (name: string) => unquoted(textIn(row, name));
  const title = text("title").trim();
  if (!title || text("trashedAt")) return null;
  const { labels } = row;
  const names = Array.isArray(labels) ? labels.map(String) : text("labels").split(",");
  const priority = PRIORITIES.find((one) => one === text("priority").toUpperCase());
  return {
    ...(text("id") && { id: text("id") }),
    title,
    description: text("description"),
    completed: row.completed === true || text("completed").toLowerCase() === "true",
    priority: priority ?? "NONE",
    dueOn: text("dueOn") || null,
    labels: names.map((name) => name.trim()).filter(Boolean),
    ...(text("position") && { position: text("position") }),
  };
}

/**
 * The tasks of a file, JSON or CSV; those in its trash are left out.
 *
 * @throws when it is neither.
 */
export async function fromFile(name: string, content: string): Promise<CreateTaskInput[]> {
  const rows = name.toLowerCase().endsWith(".csv") ? await fromCsv(content) : fromJson(content);
  return rows.map(inputOf).filter((input) => input !== null);
}

async function fromCsv(content: string): Promise<Row[]> {
  const { parse } = await import("papaparse");
  const { data, meta } = parse<Row>(content, { header: true, skipEmptyLines: true });
  if (!meta.fields?.includes("title")) throw new Error("This CSV has no column “title”.");
  return data;
}

function fromJson(content: string): Row[] {
  const read: unknown = JSON.parse(content);
  const rows = typeof read === "object" && read !== null && "tasks" in read ? read.tasks : read;
  if (!Array.isArray(rows)) throw new Error("This JSON holds no list of tasks.");
  return rows.filter((row) => typeof row === "object" && row !== null);
}
