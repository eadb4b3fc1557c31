import type { Client } from "urql";
import type { OfflineCopy, SavedChanges } from "@/components/offline/offline-copy";
import { documentHash } from "@/lib/graphql";
import type { Noun, NounTypes } from "./noun";
import { type PullResult, Replica } from "./replica";
import { ShownRows } from "./shown-rows";
import type { Tally } from "./tally";

/** All rows of one noun, as the server sent them and as the page shows them. */
export class Table<T extends NounTypes = NounTypes> {
  readonly noun: Noun<T>;
  readonly replica: Replica<T["row"]>;
  readonly #shown: ShownRows<T>;

  /** @param seed the rows of the page that the server rendered. */
  constructor(noun: Noun<T>, client: Client, seed: readonly T["row"][]) {
    this.noun = noun;
    this.replica = new Replica(client, noun.documents.changes, seed);
    this.#shown = new ShownRows(noun);
    for (const row of seed) this.show(row.id, row);
  }

  get(id: string): T["row"] | null {
    return this.#shown.get(id);
  }

  /** The number of shown rows with each key of the noun. */
  get tally(): Tally {
    return this.#shown.tally;
  }

  ordered(sort: T["sort"]): readonly T["row"][] {
    return this.#shown.ordered(sort);
  }

  /** Identifies the fields that the build requests: the hash of the document. */
  get shape(): string {
    return documentHash(this.noun.documents.changes) ?? "";
  }

  /** Take over the rows that the browser has stored. Returns their ids; null if there are none. */
  async restore(copy: OfflineCopy): Promise<string[] | null> {
    const stored = await copy.read(this.noun.name, this.shape);
    if (!stored) return null;
    this.replica.restore(stored);
    return stored.rows.map(({ id }) => id);
  }

  /** Return the changes of a complete `pull`, for the offline copy. */
  changesOf({ ids, after, cursor }: PullResult & { isComplete: true }): SavedChanges {
    const changed = [...ids].map((id) => this.replica.get(id)).filter((row) => row !== null);
    const deletedIds = [...ids].filter((id) => !this.replica.has(id));
    const all = () => this.replica.all();
    return { noun: this.noun.name, shape: this.shape, after, cursor, changed, deletedIds, all };
  }

  /** Show a row; null removes it. Returns whether it was shown otherwise before. */
  show(id: string, row: T["row"] | null): boolean {
    if (this.#shown.get(id) === row) return false;
    this.#shown.set(id, row);
    return true;
  }
}
