import type { Edit } from "./edit";
import type { Text } from "./noun";

/** What was done, in words, and the edits that undo it. */
type Step = { message: string; inverse: Edit[] };

type RowName = { noun: string; id: string };

/** Return what undoes two text edits at once, or null unless the second continues the first. */
function coalesced(before: readonly Edit[], after: readonly Edit[]): Edit[] | null {
  const [first] = before;
  const [second] = after;
  if (before.length > 1 || after.length > 1) return null;
  if (first?.kind !== "write" || second?.kind !== "write") return null;
  if (first.noun !== second.noun || first.id !== second.id) return null;
  const text = { ...second.text, ...first.text };
  return [{ ...first, text, baseText: { ...first.baseText, ...second.baseText } }];
}

/** Whether a step undoes one of these texts of a row. */
function undoesText({ inverse }: Step, { noun, id }: RowName, texts: readonly Text[]): boolean {
  return inverse.some(
    (edit) =>
      edit.kind === "write" &&
      edit.noun === noun &&
      edit.id === id &&
      Object.entries(edit.baseText).every(([name, base]) =>
        texts.some((text) => text[name] === base),
      ),
  );
}

/** The steps that can be undone and redone, the latest last. */
export class UndoHistory {
  #undoable: Step[] = [];
  readonly #redoable: Step[] = [];

  /**
   * Record what was just done. What was undone before can no longer be redone.
   *
   * @param inverse the edits that undo it; without any it cannot be undone and is not recorded.
   * @param coalesce whether a text edit that continues the one before shares its step.
   */
  record(message: string, inverse: Edit[], coalesce = false): void {
    if (inverse.length === 0) return;
    this.#redoable.length = 0;
    const joined = coalesce ? coalesced(this.#undoable.at(-1)?.inverse ?? [], inverse) : null;
    if (joined) this.#undoable.pop();
    this.add(message, joined ?? inverse);
  }

  /** Add a step that changed no row: what was undone before can still be redone. */
  add(message: string, inverse: Edit[]): void {
    this.#undoable.push({ message, inverse });
  }

  /** Remove the steps that undo these texts of a row: they were never saved. */
  discardTexts(row: RowName, texts: readonly Text[]): void {
    this.#undoable = this.#undoable.filter((step) => !undoesText(step, row, texts));
  }

  /**
   * Undo the latest step. Returns its message, or null when there is none.
   *
   * @param perform applies edits and returns those that undo them.
   */
  undo(perform: (edits: readonly Edit[]) => Edit[]): string | null {
    return this.#move(this.#undoable, this.#redoable, perform);
  }

  /** Redo the step that was undone last. Returns its message, or null when there is none. */
  redo(perform: (edits: readonly Edit[]) => Edit[]): string | null {
    return this.#move(this.#redoable, this.#undoable, perform);
  }

  #move(from: Step[], to: Step[], perform: (edits: readonly Edit[]) => Edit[]): string | null {
    const step = from.pop();
    if (!step) return null;
    to.push({ message: step.message, inverse: perform(step.inverse) });
    return step.message;
  }
}
