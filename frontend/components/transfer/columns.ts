/** The columns of an exported file, in their order. */
export const COLUMNS = [
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

export type Column = (typeof COLUMNS)[number];

/** Names that other programs and people give to these columns, in lower case and letters alone. */
const ALIASES: Readonly<Record<string, Column>> = {
  task: "title",
  name: "title",
  notes: "description",
  done: "completed",
  due: "dueOn",
  duedate: "dueOn",
  tags: "labels",
};

/** The column that a heading names, whatever its case and spacing; null for an unknown one. */
export function columnNamed(heading: string): Column | null {
  const name = heading.toLowerCase().replace(/[^\p{L}]/gu, "");
  return COLUMNS.find((column) => column.toLowerCase() === name) ?? ALIASES[name] ?? null;
}
