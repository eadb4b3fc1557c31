import type { Noun, NounTypes } from "./noun";
import { Tally } from "./tally";

/** The most changed rows that are moved one by one. If more have changed, all rows are sorted. */
const MAX_MOVED = 100;

/**
 * Rows in an order. `changed` has each row that was changed afterwards, as it is in `rows`; null
 * for a new row.
 */
type Order<R> = { rows: readonly R[]; changed: Map<string, R | null> };

/** Return the index of a row in sorted rows, or the index at which it has to be inserted. */
function placeOf<R>(rows: readonly R[], row: R, compare: (a: R, b: R) => number): number {
  let [start, end] = [0, rows.length];
  while (start < end) {
    const middle = (start + end) >>> 1;
    const other = rows[middle];
    if (other !== undefined && compare(other, row) < 0) start = middle + 1;
    else end = middle;
  }
  return start;
}

/** The rows that the page shows (the server's rows with pending edits), in each requested order. */
export class ShownRows<T extends NounTypes> {
  /** The number of rows with each key of the noun. */
  readonly tally = new Tally();
  readonly #noun: Noun<T>;
  readonly #rows = new Map<string, T["row"]>();
  readonly #orders = new Map<T["sort"], Order<T["row"]>>();

  constructor(noun: Noun<T>) {
    this.#noun = noun;
  }

  get(id: string): T["row"] | null {
    return this.#rows.get(id) ?? null;
  }

  /** Replace a row; null removes it. */
  set(id: string, row: T["row"] | null): void {
    const before = this.get(id);
    for (const { changed } of this.#orders.values()) if (!changed.has(id)) changed.set(id, before);
    if (before) this.tally.add(this.#noun.keysOf(before), -1);
    if (row) this.tally.add(this.#noun.keysOf(row), 1);
    if (row) this.#rows.set(id, row);
    else this.#rows.delete(id);
  }

  /**
   * Return all rows in an order. The array stays the same object until a row changes. After an
   * edit, only the changed rows are moved: sorting 10,000 rows would take too much of a frame.
   */
  ordered(sort: T["sort"]): readonly T["row"][] {
    const order = this.#orders.get(sort);
    if (order?.changed.size === 0) return order.rows;
    const compare = (a: T["row"], b: T["row"]) => this.#noun.compare(sort, a, b);
    const rows =
      order && order.changed.size <= MAX_MOVED
        ? this.#moved(order, compare)
        : [...this.#rows.values()].sort(compare);
    this.#orders.set(sort, { rows, changed: new Map() });
    return rows;
  }

  /** Return the rows of an order, with each changed row in its new place. */
  #moved(
    { rows, changed }: Order<T["row"]>,
    compare: (a: T["row"], b: T["row"]) => number,
  ): readonly T["row"][] {
    const next = [...rows];
    for (const [id, before] of changed) {
      const row = this.get(id);
      if (before) next.splice(placeOf(next, before, compare), 1);
      if (row) next.splice(placeOf(next, row, compare), 0, row);
    }
    return next;
  }
}
