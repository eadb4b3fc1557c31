import { generateKeyBetween, generateNKeysBetween } from "fractional-indexing";
import type { Task } from "./task";

/*
 * Where a task stands in its owner's own order: a key that sorts between its neighbours' as text
 * (fractional indexing), so that moving one task writes one task.
 */

/** Keys for `count` new tasks, in their order, before all that are there. */
export function positionsAtTop(ordered: readonly Task[], count: number): string[] {
  return generateNKeysBetween(null, ordered[0]?.position ?? null, count);
}

/**
 * The key that puts a task before `index` of the others, which are in order.
 *
 * Two tasks may have the same key, made at once on two devices: then there is nothing between them,
 * and the task goes behind both.
 */
export function positionAt(others: readonly Task[], index: number): string {
  const before = others[index - 1]?.position ?? null;
  let next = index;
  while (before !== null && (others[next]?.position ?? "~") <= before) next += 1;
  return generateKeyBetween(before, others[next]?.position ?? null);
}
