import type { CombinedError } from "urql";
import type { OfflineCopy } from "@/components/offline/offline-copy";
import type { Document, FeedPart } from "./noun";
import type { Tables } from "./queue";
import type { PullResult } from "./replica";
import type { Table } from "./table";

/** The rows of a noun that changed. */
type Changed = { noun: string; ids: ReadonlySet<string> };

export type ReadResult = {
  changed: readonly Changed[];
  /** Whether the feeds of all nouns were read to their ends. */
  isComplete: boolean;
  error: CombinedError | undefined;
};

/** The subscription that continues a feed after the last cursor that was read. */
export type Subscription = {
  noun: string;
  shape: string;
  after: string;
  document: Document<{ change: { cursor: string; id: string; row: unknown } }>;
};

/** The change feeds of all nouns. Changes are stored in the replicas and in the offline copy. */
export class Feeds {
  readonly #tables: readonly Table[];
  readonly #copy: OfflineCopy;
  /** The cursors of the stored rows. */
  readonly #storedCursors = new Map<string, string | null>();

  constructor(tables: Tables, copy: OfflineCopy) {
    this.#tables = Object.values(tables);
    this.#copy = copy;
  }

  /** Read the changes on the server since the last call. */
  async read(): Promise<ReadResult> {
    const pulls = await Promise.all(this.#tables.map(({ replica }) => replica.pull()));
    this.#save(pulls);
    const changed = this.#tables.flatMap(({ noun }, index) => {
      const pull = pulls[index];
      return pull?.isComplete && pull.ids.size > 0 ? [{ noun: noun.name, ids: pull.ids }] : [];
    });
    const failed = pulls.filter((pull) => !pull.isComplete);
    const error = failed.find((pull) => pull.error)?.error;
    return { changed, isComplete: failed.length === 0, error };
  }

  /**
   * Return the subscriptions that continue the feeds, or null if a feed was never read to its end.
   */
  subscriptions(): readonly Subscription[] | null {
    const subscriptions = this.#tables.flatMap(({ noun, shape, replica }) =>
      replica.cursor === null
        ? []
        : [{ noun: noun.name, shape, after: replica.cursor, document: noun.documents.events }],
    );
    return subscriptions.length === this.#tables.length ? subscriptions : null;
  }

  /** Store a part of a feed. Return null if the part does not begin at the last cursor. */
  receive(part: FeedPart): Changed | null {
    const table = this.#tableOf(part);
    const pull = table?.shape === part.shape ? table.replica.receive(part) : null;
    if (pull) this.#save(this.#tables.map((one) => (one === table ? pull : null)));
    return pull && { noun: part.noun, ids: pull.ids };
  }

  /** Continue at the end of a part. All changes up to there must have been read. */
  continueAfter(part: FeedPart): void {
    this.#tableOf(part)?.replica.continueAt(part.cursor);
  }

  #tableOf(part: FeedPart): Table | undefined {
    return this.#tables.find(({ noun }) => noun.name === part.noun);
  }

  /** Save the changes of each table's pull to the offline copy. */
  #save(pulls: readonly (PullResult | null)[]): void {
    const changes = this.#tables.flatMap((table, index) => {
      const pull = pulls[index];
      if (!pull?.isComplete) return [];
      const { name } = table.noun;
      if (pull.ids.size === 0 && this.#storedCursors.get(name) === pull.cursor) return [];
      this.#storedCursors.set(name, pull.cursor);
      return [table.changesOf(pull)];
    });
    if (changes.length > 0) void this.#copy.save(changes);
  }
}
