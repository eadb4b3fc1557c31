import { pick, type TextEdit } from "./edit";
import type { Row, Text } from "./noun";
import type { PendingEdit } from "./pending-edits";

/** A text that was changed here and on the server at the same time. */
export type Conflict = {
  noun: string;
  id: string;
  mine: Text;
  theirs: Row;
  /** The edits that wrote it. They stay in IndexedDB until the person has chosen a text. */
  edits: readonly PendingEdit[];
};

/** Return the conflicts with one more. Each row has one conflict, with the latest text. */
export function addConflict(
  conflicts: readonly Conflict[],
  pending: PendingEdit,
  { noun, id, text }: TextEdit,
  theirs: Row,
): readonly Conflict[] {
  const before = conflicts.find((one) => one.noun === noun && one.id === id);
  const mine = { ...before?.mine, ...text };
  const conflict = { noun, id, mine, theirs, edits: [...(before?.edits ?? []), pending] };
  return before
    ? conflicts.map((one) => (one === before ? conflict : one))
    : [...conflicts, conflict];
}

/** Return the edit that replaces the server's text by the one that was typed here. */
export function overwrite({ noun, id, mine, theirs }: Conflict): TextEdit {
  return { noun, kind: "write", id, text: mine, baseText: pick(theirs, mine) };
}

/** Return the texts of the edits that the server did not accept. */
export const unsavedTexts = ({ edits }: Conflict): Text[] =>
  edits.map(({ edit }) => (edit.kind === "write" ? edit.text : {}));
