export const HOME = "/tasks";

// Any origin that cannot be a real one: a path is safe when it does not leave it.
const HERE = "http://here.invalid";

/**
 * A path of this app, parsed; null when it leads elsewhere, or is no path.
 *
 * The browser's own parser decides, since it forgives what a pattern would overlook: backslashes,
 * tabs, `//host`, and `/.//host`, which only becomes `//host` once it is parsed.
 */
function parsedPath(value: string): URL | null {
  // Not `URL.parse`, which Safari has since 18.
  if (!(value.startsWith("/") && URL.canParse(value, HERE))) return null;
  const url = new URL(value, HERE);
  return url.origin === HERE && !url.pathname.startsWith("//") ? url : null;
}

/** Whether it starts like a path of this app, and a browser that is sent there leaves it. */
export function leavesApp(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("/") && parsedPath(value) === null;
}

/** Where to go after sign-in: `value` when it is a path of this app, else the list. */
export function nextPath(value: unknown): string {
  const url = typeof value === "string" ? parsedPath(value) : null;
  if (url === null) return HOME;
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
