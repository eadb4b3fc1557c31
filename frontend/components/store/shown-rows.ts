import type { Noun, NounTypes } from "./noun";

/** The rows that the page shows (server state with pending edits applied), in each requested order. */
export class ShownRows<T extends NounTypes> {
  readonly #noun: Noun<T>;
  readonly #rows = new Map<string, T["row"]>();
  /** For each order its rows, and the ids whose places may be out of date. */
  readonly #orders = new Map<T["sort"], { rows: T["row"][]; stale: Set<string> }>();

  constructor(noun: Noun<T>) {
    this.#noun = noun;
  }

  get(id: string): T["row"] | null {
    return this.#rows.get(id) ?? null;
  }

  /** Replace a row; null removes it. */
  set(id: string, row: T["row"] | null): void {
    if (row) this.#rows.set(id, row);
    else this.#rows.delete(id);
    for (const { stale } of this.#orders.values()) stale.add(id);
  }

  /**
   * Return all rows in an order. Only those that changed are sorted in, which takes one pass: engines
   * detect sorted runs.
   */
  ordered(sort: T["sort"]): readonly T["row"][] {
    const before = this.#orders.get(sort);
    const stale = before?.stale ?? new Set(this.#rows.keys());
    if (before && stale.size === 0) return before.rows;
    const rows = before?.rows.filter(({ id }) => !stale.has(id)) ?? [];
    for (const id of stale) {
      const row = this.#rows.get(id);
      if (row) rows.push(row);
    }
    rows.sort((a, b) => this.#noun.compare(sort, a, b));
    this.#orders.set(sort, { rows, stale: new Set() });
    return rows;
  }
}
