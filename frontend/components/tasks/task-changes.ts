import type { Client, CombinedError } from "urql";
import { TaskChangesDocument, type TaskChangesQuery } from "@/gql/graphql";

type TaskChange = TaskChangesQuery["taskChanges"]["nodes"][number];

/** The cursor at the end of the feed, or what stopped the reading before it. */
type ReadResult =
  | { isComplete: true; cursor: string | null }
  /** `error` is undefined for an answer that has neither data nor an error. */
  | { isComplete: false; error: CombinedError | undefined };

/**
 * Read the change feed page by page, from a cursor to its end. From null it has all tasks, and the ids
 * of those that were permanently deleted. The pages before an error are passed to `onChange`, too.
 */
export async function readChanges(
  client: Client,
  cursor: string | null,
  onChange: (change: TaskChange) => void,
): Promise<ReadResult> {
  for (let after = cursor; ; ) {
    const { data, error } = await client.query(TaskChangesDocument, { after }).toPromise();
    if (!data) return { isComplete: false, error };
    for (const change of data.taskChanges.nodes) onChange(change);
    const { hasNextPage, endCursor } = data.taskChanges.pageInfo;
    if (!hasNextPage) return { isComplete: true, cursor: endCursor };
    after = endCursor;
  }
}
