/**
 * Return the reason of an error in one line. `fetch failed` has it in its cause; a connection
 * refused by `localhost` is an AggregateError with a code and no message.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return reasonOf(cause);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
