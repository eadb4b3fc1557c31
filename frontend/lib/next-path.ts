export const HOME = "/tasks";

// Any origin that cannot be a real one: a path is safe when it does not leave it.
const HERE = "http://here.invalid";

/**
 * Where to go after sign-in: `value` when it is a path of this app, else the list.
 *
 * The browser's own parser decides, since it forgives what a pattern would overlook: backslashes,
 * tabs, `//host`, and `/.//host`, which only becomes `//host` once it is parsed.
 */
export function nextPath(value: unknown): string {
  if (typeof value !== "string" || !value.startsWith("/")) return HOME;
  const url = URL.parse(value, HERE);
  if (url === null || url.origin !== HERE || url.pathname.startsWith("//")) return HOME;
  // Being sent from sign-in to sign-in, or to an answer of JSON, helps nobody.
  if (/^\/(sign-in|sign-up|api)(\/|$)/.test(url.pathname)) return HOME;
  return url.pathname + url.search + url.hash;
}

/** Refused: by the API, a fresh token. Signing in again may help, going back would not. */
export type SignedOutReason = "session-over" | "refused";

export function signInPath(next: string, reason: SignedOutReason = "session-over"): string {
  const query = new URLSearchParams({ next: nextPath(next) });
  if (reason === "refused") query.set("refused", "1");
  return `/sign-in?${query}`;
}
