import type { Client, CombinedError } from "urql";
import { isEqual } from "./equal";
import type { Change, Documents, FeedPart, Row } from "./noun";
import { readChanges } from "./read-changes";

/**
 * The ids of the rows that changed between two cursors, or the error that stopped the reading. The
 * error is undefined if no message is needed. `after` is null if all rows were read.
 */
export type PullResult =
  | { isComplete: true; ids: ReadonlySet<string>; after: string | null; cursor: string }
  | { isComplete: false; error: CombinedError | undefined };

const isExpiredCursor = (error: CombinedError) =>
  error.graphQLErrors.some(({ extensions }) => extensions.reason === "CURSOR_EXPIRED");

/** A copy of the server's rows of one noun in memory, without pending edits. */
export class Replica<R extends Row = Row> {
  readonly #client: Client;
  readonly #changes: Documents<R>["changes"];
  readonly #rows = new Map<string, R>();
  /** Ids of permanently deleted rows: an answer that is older must not bring one back. */
  readonly #deletedIds = new Set<string>();
  /** The end of what was read of the change feed; null reads all of it. */
  #cursor: string | null = null;

  /** @param seed the rows of the page that the server rendered. */
  constructor(client: Client, changes: Documents<R>["changes"], seed: readonly R[]) {
    this.#client = client;
    this.#changes = changes;
    this.put(seed);
  }

  /** The last cursor that was read; null if the change feed was not read to its end yet. */
  get cursor(): string | null {
    return this.#cursor;
  }

  get(id: string): R | null {
    return this.#rows.get(id) ?? null;
  }

  all(): R[] {
    return [...this.#rows.values()];
  }

  has(id: string): boolean {
    return this.#rows.has(id);
  }

  /** Store rows as the server sent them. A version that is older than the stored one is ignored. */
  put(rows: readonly R[]): void {
    for (const row of rows) {
      const known = this.#rows.get(row.id);
      if (this.#deletedIds.has(row.id) || (known && known.version > row.version)) continue;
      // The same object for the same values, so that nothing is rendered again.
      if (!isEqual(known, row)) this.#rows.set(row.id, row);
    }
  }

  #apply({ id, row }: Change<R>): void {
    if (row) this.put([row]);
    else this.delete(id);
  }

  /** Store changes that the server sent. Return null if they do not begin at the last cursor. */
  receive({ after, cursor, changes }: FeedPart<R>): (PullResult & { isComplete: true }) | null {
    if (after !== this.#cursor) return null;
    for (const change of changes) this.#apply(change);
    this.#cursor = cursor;
    return { isComplete: true, ids: new Set(changes.map(({ id }) => id)), after, cursor };
  }

  /** Continue at another cursor up to which everything was read. */
  continueAt(cursor: string): void {
    this.#cursor = cursor;
  }

  /** Store rows that were read up to a cursor, for the next `pull` to continue there. */
  restore({ rows, cursor }: { rows: readonly R[]; cursor: string | null }): void {
    this.put(rows);
    this.#cursor = cursor;
  }

  /** Remove a row that the server permanently deleted. */
  delete(id: string): void {
    this.#deletedIds.add(id);
    this.#rows.delete(id);
  }

  /** Read what changed on the server since the last time, or all rows the first time. */
  async pull(): Promise<PullResult> {
    // A full read has every row: those that are missing from it were deleted.
    const after = this.#cursor;
    const missing = new Set(after === null ? this.#rows.keys() : []);
    const changed = new Set<string>();
    const result = await readChanges(this.#client, this.#changes, after, ({ id, row }) => {
      this.#apply({ id, row });
      missing.delete(id);
      changed.add(id);
    });
    if (!result.isComplete) return this.#stopped(result.error);
    this.#cursor = result.cursor;
    for (const id of missing) {
      this.delete(id);
      changed.add(id);
    }
    return { isComplete: true, ids: changed, after, cursor: result.cursor };
  }

  /** After an expired cursor, which needs no message, the next `pull` reads all rows. */
  #stopped(error: CombinedError | undefined): PullResult {
    if (!(error && isExpiredCursor(error))) return { isComplete: false, error };
    this.#cursor = null;
    return { isComplete: false, error: undefined };
  }
}
