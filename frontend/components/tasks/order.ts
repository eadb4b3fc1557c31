import { generateKeyBetween, generateNKeysBetween } from "fractional-indexing";
import type { Task } from "./task";

/*
 * A task's position in the manual order: a fractional index key, which sorts as text between the
 * keys of its neighbours. So moving a task writes only that task.
 */

/** Return positions for `count` new tasks before all others, in order. */
export function positionsAtTop(ordered: readonly Task[], count: number): string[] {
  return generateNKeysBetween(null, ordered[0]?.position ?? null, count);
}

/**
 * Return the position before the task at `index` of the others, which are in order.
 *
 * Two tasks may have the same position if they were moved on two devices at once. Nothing fits
 * between them, so the new position is after both.
 */
export function positionAt(others: readonly Task[], index: number): string {
  const before = others[index - 1]?.position ?? null;
  let next = index;
  while (before !== null && (others[next]?.position ?? "~") <= before) next += 1;
  return generateKeyBetween(before, others[next]?.position ?? null);
}
