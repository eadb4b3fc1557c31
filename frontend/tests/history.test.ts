import { beforeEach, describe, expect, test } from "vitest";
import type { Edit } from "../components/store/edit";
import { UndoHistory } from "../components/store/history";

const write = (id: string, title: string, base: string): Edit => ({
  noun: "tasks",
  kind: "write",
  id,
  text: { title },
  baseText: { title: base },
});
const trash = (id: string): Edit => ({
  noun: "tasks",
  kind: "trash",
  ids: [id],
  at: "2026-11-25T13:00:00Z",
});
const restore = (id: string): Edit => ({ noun: "tasks", kind: "restore", ids: [id] });

let history: UndoHistory;
let performed: Edit[];

/** Perform edits of which one undoes the other. */
function perform(edits: readonly Edit[]): Edit[] {
  performed.push(...edits);
  return edits.map((edit) => {
    if (edit.kind === "write") {
      return { ...edit, text: edit.baseText, baseText: edit.text };
    }
    return edit.kind === "trash" ? restore(edit.ids[0] ?? "") : trash("a");
  });
}

beforeEach(() => {
  history = new UndoHistory();
  performed = [];
});

test("without a step there is nothing to undo or redo", () => {
  expect([history.undo(perform), history.redo(perform)]).toEqual([null, null]);
  expect(performed).toEqual([]);
});

test("steps are undone from the latest on, and redone in reverse", () => {
  history.record("First", [restore("a")]);
  history.record("Second", [restore("b")]);
  expect([history.undo(perform), history.undo(perform)]).toEqual(["Second", "First"]);
  expect(performed).toEqual([restore("b"), restore("a")]);
  expect([history.redo(perform), history.redo(perform)]).toEqual(["First", "Second"]);
  expect(history.redo(perform)).toBeNull();
  expect(history.undo(perform)).toBe("Second");
});

test("a new step ends what can be redone", () => {
  history.record("First", [restore("a")]);
  history.undo(perform);
  history.record("Second", [restore("b")]);
  expect(history.redo(perform)).toBeNull();
});

test("a step that changed no task leaves what can be redone", () => {
  history.record("First", [restore("a")]);
  history.undo(perform);
  history.add("Kept the other text", [write("a", "mine", "theirs")]);
  expect(history.redo(perform)).toBe("First");
});

test("what cannot be undone is not recorded, and leaves what can be redone", () => {
  history.record("Moved", [restore("a")]);
  history.undo(perform);
  history.record("Deleted", []);
  expect(history.redo(perform)).toBe("Moved");
});

describe("a text edit that continues the one before", () => {
  test("is undone together with it", () => {
    history.record("Changed", [write("a", "Milk", "Oat")]);
    history.record("Changed", [write("a", "Oat", "Oat milk")], true);
    history.undo(perform);
    expect(performed).toEqual([write("a", "Milk", "Oat milk")]);
    expect(history.undo(perform)).toBeNull();
  });

  test.each([
    ["another task", [write("b", "Oat", "Oat milk")]],
    ["no text", [restore("a")]],
    ["several tasks", [write("a", "Oat", "Oat milk"), write("b", "Oat", "Oat milk")]],
  ])("keeps its own step when it changes %s", (_, inverse) => {
    history.record("First", [write("a", "Milk", "Oat")]);
    history.record("Second", inverse, true);
    expect([history.undo(perform), history.undo(perform)]).toEqual(["Second", "First"]);
  });
});

test("the steps of texts that were never saved are discarded, and no others", () => {
  history.record("Saved", [write("a", "Milk", "Oat")]);
  history.record("Unsaved", [write("a", "Oat", "Soy")]);
  history.record("Other task", [write("b", "Milk", "Soy")]);
  history.discardTexts({ noun: "tasks", id: "a" }, [{ title: "Soy" }]);
  expect([history.undo(perform), history.undo(perform)]).toEqual(["Other task", "Saved"]);
  expect(history.undo(perform)).toBeNull();
});
