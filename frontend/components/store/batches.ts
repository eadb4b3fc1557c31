/** Ids or inputs that one request may have. */
const MAX_ITEMS = 100;
/** Half of what the API reads of a request, in bytes. */
const MAX_BYTES = 512 * 1024;

const utf8 = new TextEncoder();

/**
 * Divide ids or inputs into lists that each fit into one request, by number and by bytes of JSON.
 */
export function toBatches<T>(items: readonly T[]): T[][] {
  const batches: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const size = utf8.encode(JSON.stringify(item)).length + 1;
    const last = batches.at(-1);
    bytes += size;
    if (last && last.length < MAX_ITEMS && bytes <= MAX_BYTES) last.push(item);
    else {
      batches.push([item]);
      bytes = size;
    }
  }
  return batches;
}
