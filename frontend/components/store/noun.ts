import type { TypedDocumentNode } from "urql";
import type { Edit } from "./edit";
import type { Key } from "./tally";

/** The fields that the rows of every noun have. A row is immutable: a change makes a new one. */
export type Row = {
  readonly id: string;
  readonly position: string;
  /** Increases with each change on the server; 0 until the server has created the row. */
  readonly version: number;
  readonly updatedAt: string;
  readonly trashedAt: string | null;
};

/** The texts of a row that a person types. They may conflict with texts from elsewhere. */
export type Text = { readonly [name: string]: string | undefined };

/** The types of one noun. */
export type NounTypes = {
  name: string;
  row: Row;
  /** The input that creates a row. Its id and position are added. */
  input: object;
  /** The patch of one row, without its texts, which a text edit changes. */
  patch: object;
  /** The patch of many rows; `never` if the noun has no such mutation. */
  manyPatch: object;
  text: Text;
  /** The names of the orders in which rows are listed. */
  sort: string;
};

type PageInfo = { hasNextPage: boolean; endCursor: string | null };
export type Change<R> = { id: string; row: R | null };

/** The changes of one noun between two cursors of its feed. */
export type FeedPart<R = Row> = {
  noun: string;
  /** Identifies the fields of the rows. */
  shape: string;
  after: string;
  cursor: string;
  changes: readonly Change<R>[];
};

/**
 * A document of any noun. Its variables have the type `never`, so that the documents of all nouns
 * can be assigned to it. The types of edits check the values instead.
 */
export type Document<Data> = TypedDocumentNode<Data, never>;
type Mutation<Data> = Document<{ saved: Data | null }>;

/** The documents of a noun. Their aliases give the responses for all nouns the same shape. */
export type Documents<R> = {
  changes: Document<{ changes: { nodes: Change<R>[]; pageInfo: PageInfo } }>;
  /** The subscription to the same feed. */
  events: Document<{ change: Change<R> & { cursor: string } }>;
  one: Document<{ row: R | null }>;
  create: Mutation<{ rows: R[] }>;
  update: Mutation<{ row: R }>;
  updateMany: Mutation<{ rows: R[] }> | null;
  trash: Mutation<{ rows: R[] }>;
  restore: Mutation<{ rows: R[] }>;
  delete: Mutation<{ deletedIds: string[] }>;
};

/** Whether the server has a row that can be referred to. */
export type Exists = (noun: string, id: string) => boolean;

/**
 * The declaration of a noun for the store: its documents, and how its edits change a row.
 * Everything else (optimistic updates, the queue, conflicts, undo, the change feed) is the same for
 * all nouns.
 */
export interface Noun<T extends NounTypes = NounTypes> {
  readonly name: T["name"];
  /** The word for one row in a message. */
  readonly singular: string;
  readonly documents: Documents<T["row"]>;
  /** Return the words that name a row in a message: its title. */
  nameOf(row: T["row"]): string;
  compare(sort: T["sort"], a: T["row"], b: T["row"]): number;
  /** Return the keys under which the row is counted. */
  keysOf(row: T["row"]): readonly Key[];
  /** Return a row as it is shown before the server has created it. */
  created(input: T["input"] & { id: string; position: string }, at: string): T["row"];
  /** Return the row with the fields of the patch; null clears a field. */
  patched(row: T["row"], patch: T["patch"] | T["manyPatch"], at: string): T["row"];
  /** Return the patch that gives the fields of `patch` the values that they have in the row. */
  patchOf(row: T["row"], patch: T["patch"]): T["patch"];
  /** Return patches that undo a patch of many rows, each with the rows that it is for. */
  inverseOfMany(rows: readonly T["row"][], patch: T["manyPatch"]): [T["row"][], T["manyPatch"]][];
  /**
   * Return an edit without its references to rows that do not exist, and a message for the person.
   * `left` is null if nothing remains to be sent. Returns null if there is no such reference.
   */
  withoutMissing(edit: Edit<T>, exists: Exists): { left: Edit<T> | null; message: string } | null;
}
