/** The columns of an exported file, in order. */
export const COLUMNS = [
  "id",
  "title",
  "description",
  "completed",
  "priority",
  "dueOn",
  "labels",
  "project",
  "position",
  "createdAt",
  "trashedAt",
] as const;

export type Column = (typeof COLUMNS)[number];

/** Other names for these columns, in lower case without spaces. */
const ALIASES: Readonly<Record<string, Column>> = {
  task: "title",
  name: "title",
  notes: "description",
  done: "completed",
  due: "dueOn",
  duedate: "dueOn",
  tags: "labels",
};

/**
 * Return the column that a heading names, ignoring case and spaces; null for an unknown heading.
 */
export function columnNamed(heading: string): Column | null {
  const name = heading.toLowerCase().replace(/[^\p{L}]/gu, "");
  return COLUMNS.find((column) => column.toLowerCase() === name) ?? ALIASES[name] ?? null;
}
