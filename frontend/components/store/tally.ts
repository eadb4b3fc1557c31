/** A property by which rows are counted, and a value of it. */
export type Key = readonly [property: string, value: string];

/**
 * The number of rows with each value of some properties. After an edit, only the changed rows are
 * counted again: counting 10,000 rows would take too much of a frame.
 */
export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();
  /** The result of `values` for each property, until a value appears or disappears. */
  readonly #values = new Map<string, readonly string[]>();

  /** Return the number of rows with this value of a property. */
  count(property: string, value: string): number {
    return this.#counts.get(property)?.get(value) ?? 0;
  }

  /** Return the values that rows have: the same array until a value appears or disappears. */
  values(property: string): readonly string[] {
    const known = this.#values.get(property);
    if (known) return known;
    const values = [...(this.#counts.get(property)?.keys() ?? [])];
    this.#values.set(property, values);
    return values;
  }

  /** Add a row with these keys, or remove one if `by` is -1. */
  add(keys: readonly Key[], by: 1 | -1): void {
    for (const [property, value] of keys) {
      const counts = this.#counts.get(property) ?? new Map<string, number>();
      const before = counts.get(value) ?? 0;
      if (before + by > 0) counts.set(value, before + by);
      else counts.delete(value);
      this.#counts.set(property, counts);
      if (before === 0 || before + by === 0) this.#values.delete(property);
    }
  }
}
