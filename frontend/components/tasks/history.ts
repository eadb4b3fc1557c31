import type { Edit, Text } from "./edit";

/** What was done, in words, and the edits that undo it. */
type Step = { message: string; inverse: Edit[] };

/** Return what undoes two text edits at once, or null unless the second continues the first. */
function coalesced(before: readonly Edit[], after: readonly Edit[]): Edit[] | null {
  const [first] = before;
  const [second] = after;
  if (first?.kind !== "write" || second?.kind !== "write" || first.id !== second.id) return null;
  if (before.length > 1 || after.length > 1) return null;
  const text = { ...second.text, ...first.text };
  return [
    { kind: "write", id: first.id, text, baseText: { ...first.baseText, ...second.baseText } },
  ];
}

/** Whether a step undoes one of these texts in a task. */
function undoesText({ inverse }: Step, id: string, texts: readonly Text[]): boolean {
  return inverse.some(
    (edit) =>
      edit.kind === "write" &&
      edit.id === id &&
      (Object.keys(edit.baseText) as (keyof Text)[]).every((name) =>
        texts.some((text) => text[name] === edit.baseText[name]),
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

  /** Add a step that changed no task: what was undone before can still be redone. */
  add(message: string, inverse: Edit[]): void {
    this.#undoable.push({ message, inverse });
  }

  /** Remove the steps that undo these texts in a task: they were never saved. */
  discardTexts(id: string, texts: readonly Text[]): void {
    this.#undoable = this.#undoable.filter((step) => !undoesText(step, id, texts));
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
