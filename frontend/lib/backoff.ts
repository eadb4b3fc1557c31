const FIRST_MS = 1_000;
const MAX_MS = 30_000;
/** The longest `Retry-After` that is respected. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/**
 * Return the milliseconds that a response asks to wait (`Retry-After`, RFC 9110 §10.2.3), at most
 * an hour; null if it does not ask. A date is compared with the server's own `Date`, if it can be
 * read.
 */
export function retryAfterOf({ headers }: Pick<Response, "headers">): number | null {
  const value = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1000, MAX_RETRY_AFTER_MS);
  const moment = value.endsWith("GMT") ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(moment)) return null;
  const date = Date.parse(headers.get("Date") ?? "");
  const wait = moment - (Number.isNaN(date) ? Date.now() : date);
  return Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}

/** Exponential backoff: 1, 2, 4 … 30 seconds, and never less than the server asks for. */
export class Backoff {
  #next = FIRST_MS;

  /** Return the milliseconds to wait after one more failure. */
  after(retryAfter: number | null): number {
    const own = this.#next;
    this.#next = Math.min(own * 2, MAX_MS);
    return Math.max(own, retryAfter ?? 0);
  }

  /** Start with the first wait again, after a success. */
  reset(): void {
    this.#next = FIRST_MS;
  }
}
