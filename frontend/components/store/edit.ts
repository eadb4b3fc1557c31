import type { Noun, NounTypes, Row, Text } from "./noun";

/*
 * The edits of rows, as plain data. `applyEdit` shows an edit at once (optimistic update). The
 * queue sends it as one mutation, and keeps it during a reload. `inverseOf` undoes it. Edits are
 * idempotent: sending one twice has the effect of sending it once.
 */

/** An edit of the rows of one noun. */
export type Edit<T extends NounTypes = NounTypes> = { noun: T["name"] } & (
  | { kind: "create"; inputs: (T["input"] & { id: string; position: string })[]; at: string }
  /** Overwrites the fields: the last write wins. */
  | { kind: "set"; id: string; patch: T["patch"] }
  /** `baseText` is the text that was edited. If the row has another one, this is a conflict. */
  | { kind: "write"; id: string; text: T["text"]; baseText: T["text"] }
  | { kind: "set-many"; ids: string[]; patch: T["manyPatch"]; at: string }
  | ({ ids: string[]; cascade?: Cascade } & Move)
);

type Move = { kind: "trash"; at: string } | { kind: "restore" } | { kind: "delete" };

/** Rows of another noun to which the server does the same. They are shown at once, but not sent. */
export type Cascade = { noun: string; ids: string[] };

export type TextEdit = Edit & { kind: "write" };

/** Return the ids of the rows of its noun that an edit changes. */
export function idsOf(edit: Edit): readonly string[] {
  if (edit.kind === "create") return edit.inputs.map(({ id }) => id);
  return "ids" in edit ? edit.ids : [edit.id];
}

/** Return the cascade of an edit as an edit; null if it has none. */
export function cascadeOf(edit: Edit): Edit | null {
  if (!("cascade" in edit && edit.cascade)) return null;
  const { cascade, ...move } = edit;
  return { ...move, ...cascade };
}

/** Return an edit and its cascade. */
export function effectsOf(edit: Edit): readonly Edit[] {
  const cascade = cascadeOf(edit);
  return cascade ? [edit, cascade] : [edit];
}

export function hasText(row: Row, text: Text): boolean {
  const values: Readonly<Record<string, unknown>> = row;
  return Object.entries(text).every(([name, value]) => values[name] === value);
}

/** Return a row after an edit that changes it; null if the row does not exist afterwards. */
export function applyEdit<T extends NounTypes>(
  noun: Noun<T>,
  edit: Edit<T>,
  row: T["row"] | null,
  id: string,
): T["row"] | null {
  if (edit.kind === "create") {
    const input = edit.inputs.find((one) => one.id === id);
    return row ?? (input ? noun.created(input, edit.at) : null);
  }
  if (row === null || edit.kind === "delete") return null;
  switch (edit.kind) {
    case "set":
      return noun.patched(row, edit.patch, row.updatedAt);
    case "write":
      return { ...row, ...edit.text };
    case "set-many":
      return noun.patched(row, edit.patch, edit.at);
    case "trash":
      return { ...row, trashedAt: row.trashedAt ?? edit.at };
    case "restore":
      return { ...row, trashedAt: null };
  }
}

type Before<T extends NounTypes> = (id: string) => T["row"] | null;

/** Return the edits that undo an edit, given the rows before it. A deletion cannot be undone. */
export function inverseOf<T extends NounTypes>(
  noun: Noun<T>,
  edit: Edit<T>,
  before: Before<T>,
  now: string,
): Edit<T>[] {
  const shared = { noun: edit.noun };
  switch (edit.kind) {
    case "create":
      return [{ ...shared, kind: "trash", ids: [...idsOf(edit)], at: now }];
    case "trash": {
      const { ids, cascade } = edit;
      return [{ ...shared, kind: "restore", ids, ...(cascade && { cascade }) }];
    }
    case "restore": {
      const { ids, cascade } = edit;
      return [{ ...shared, kind: "trash", ids, at: now, ...(cascade && { cascade }) }];
    }
    case "delete":
      return [];
    case "set-many": {
      const rows = edit.ids.map(before).filter((row) => row !== null);
      return noun
        .inverseOfMany(rows, edit.patch)
        .filter(([some]) => some.length > 0)
        .map(([some, patch]) => {
          const ids = some.map(({ id }) => id);
          return { ...shared, kind: "set-many", ids, patch, at: edit.at };
        });
    }
    case "set": {
      const row = before(edit.id);
      if (!row) return [];
      return [{ ...shared, kind: "set", id: edit.id, patch: noun.patchOf(row, edit.patch) }];
    }
    case "write": {
      const row = before(edit.id);
      if (!row) return [];
      const text = pick(row, edit.text);
      return [{ ...shared, kind: "write", id: edit.id, text, baseText: edit.text }];
    }
  }
}

/** Return the values that a row has in the fields of an object. */
export function pick<T extends object>(row: object, fields: T): T {
  const values: Readonly<Record<string, unknown>> = { ...row };
  return Object.fromEntries(Object.keys(fields).map((name) => [name, values[name]])) as T;
}
