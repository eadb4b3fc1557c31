import type { Client, CombinedError } from "urql";
import { ChangeCursorDocument } from "@/gql/graphql";
import type { Change, Documents } from "./noun";

/** The cursor at the end of the feed, or the error before it. */
type ReadResult =
  | { isComplete: true; cursor: string }
  /** `error` is undefined for an answer that has neither data nor an error. */
  | { isComplete: false; error: CombinedError | undefined };

/**
 * Read a change feed page by page, from a cursor to its end. From null, it contains all rows and
 * the ids of all permanently deleted rows. The pages before an error are passed to `onChange`, too.
 *
 * A feed without changes has no cursor. The result then has the person's `changeCursor`. Once that
 * is known, the feed is read again, so that no change can be skipped.
 */
export async function readChanges<R>(
  client: Client,
  document: Documents<R>["changes"],
  cursor: string | null,
  onChange: (change: Change<R>) => void,
): Promise<ReadResult> {
  let current: string | null = null;
  for (let after = cursor; ; ) {
    const { data, error } = await client.query(document, { after } as never).toPromise();
    if (!data) return { isComplete: false, error };
    for (const change of data.changes.nodes) onChange(change);
    const { hasNextPage, endCursor } = data.changes.pageInfo;
    const end = endCursor ?? current;
    if (hasNextPage) after = endCursor;
    else if (end !== null) return { isComplete: true, cursor: end };
    else {
      const answer = await client.query(ChangeCursorDocument, {}).toPromise();
      if (!answer.data) return { isComplete: false, error: answer.error };
      current = answer.data.viewer.changeCursor;
    }
  }
}
