import type { Edit } from "./edit";
import { type Tables, tableOf } from "./queue";

/** Return the edit of only those of its rows that exist; null if all or none of them exist. */
export function withExistingIds(tables: Tables, edit: Edit): Edit | null {
  if (!("ids" in edit)) return null;
  const { replica } = tableOf(tables, edit.noun);
  const ids = edit.ids.filter((id) => replica.has(id));
  return ids.length > 0 && ids.length < edit.ids.length ? { ...edit, ids } : null;
}

/** Whether the server has a row that others can refer to: one that is not in the trash. */
export function canReferTo(tables: Tables, noun: string, id: string): boolean {
  return tableOf(tables, noun).replica.get(id)?.trashedAt === null;
}
