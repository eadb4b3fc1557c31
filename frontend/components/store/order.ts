import { generateNKeysBetween } from "fractional-indexing";
import type { Row } from "./noun";

/*
 * A row's position in the manual order: a fractional index key, which sorts as text between the
 * keys of its neighbours. So moving a row writes only that row.
 */

export const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));

export const byPosition = (a: Row, b: Row) =>
  compareText(a.position, b.position) || compareText(a.id, b.id);

/** Return positions for `count` new rows before all others, in order. */
export function positionsAtTop(ordered: readonly Row[], count: number): string[] {
  return generateNKeysBetween(null, ordered[0]?.position ?? null, count);
}

/**
 * Return `count` positions, in ascending order, for rows that are moved or added before the row at
 * `index`. The index counts in the other rows, which are in the manual order.
 *
 * Two rows may have the same position if they were moved on two devices at once. Nothing fits
 * between them, so the new positions are after both.
 */
export function positionsAt(others: readonly Row[], index: number, count: number): string[] {
  const before = others[index - 1]?.position ?? null;
  let next = index;
  while (before !== null && (others[next]?.position ?? "~") <= before) next += 1;
  return generateNKeysBetween(before, others[next]?.position ?? null, count);
}

/** Return the position of one row, as `positionsAt` does. */
export function positionAt(others: readonly Row[], index: number): string {
  const [position = ""] = positionsAt(others, index, 1);
  return position;
}
