import type { Client } from "urql";
import type { Noun, NounTypes } from "./noun";
import { Replica } from "./replica";
import { ShownRows } from "./shown-rows";

/** All rows of one noun: as the server has them, and as the page shows them. */
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

  ordered(sort: T["sort"]): readonly T["row"][] {
    return this.#shown.ordered(sort);
  }

  /** Show a row; null removes it. */
  show(id: string, row: T["row"] | null): void {
    this.#shown.set(id, row);
  }
}
