import type { Edit, Text } from "./edit";
import type { PendingEdit } from "./pending-edits";
import type { Task } from "./task";

type TextEdit = Edit & { kind: "write" };

/** A text that was changed here and on the server at the same time. */
export type Conflict = {
  id: string;
  mine: Text;
  theirs: Task;
  /** The edits that wrote it. They stay in IndexedDB until the person has chosen a text. */
  edits: readonly PendingEdit[];
};

/** Return the conflicts with one more. Each task has one conflict, with the latest text. */
export function addConflict(
  conflicts: readonly Conflict[],
  pending: PendingEdit,
  { id, text }: TextEdit,
  theirs: Task,
): readonly Conflict[] {
  const before = conflicts.find((one) => one.id === id);
  const mine = { ...before?.mine, ...text };
  const conflict = { id, mine, theirs, edits: [...(before?.edits ?? []), pending] };
  return before
    ? conflicts.map((one) => (one === before ? conflict : one))
    : [...conflicts, conflict];
}

/** Return the edit that replaces the server's text by the one that was typed here. */
export function overwrite({ id, mine, theirs }: Conflict): TextEdit {
  const baseText: Text = {};
  for (const name of Object.keys(mine) as (keyof Text)[]) baseText[name] = theirs[name];
  return { kind: "write", id, text: mine, baseText };
}

/** Return the texts of the edits that the server did not accept. */
export const unsavedTexts = ({ edits }: Conflict): Text[] =>
  edits.map(({ edit }) => (edit.kind === "write" ? edit.text : {}));
