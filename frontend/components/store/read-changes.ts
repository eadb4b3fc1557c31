import type { Client, CombinedError } from "urql";
import type { Change, Documents } from "./noun";

/** The cursor at the end of the feed, or the error before it. */
type ReadResult =
  | { isComplete: true; cursor: string | null }
  /** `error` is undefined for an answer that has neither data nor an error. */
  | { isComplete: false; error: CombinedError | undefined };

/**
 * Read a change feed page by page, from a cursor to its end. From null, it contains all rows and the
 * ids of all permanently deleted rows. The pages before an error are passed to `onChange`, too.
 */
export async function readChanges<R>(
  client: Client,
  document: Documents<R>["changes"],
  cursor: string | null,
  onChange: (change: Change<R>) => void,
): Promise<ReadResult> {
  for (let after = cursor; ; ) {
    const { data, error } = await client.query(document, { after } as never).toPromise();
    if (!data) return { isComplete: false, error };
    for (const change of data.changes.nodes) onChange(change);
    const { hasNextPage, endCursor } = data.changes.pageInfo;
    if (!hasNextPage) return { isComplete: true, cursor: endCursor };
    after = endCursor;
  }
}
