export const HOME = "/tasks";

// An origin that cannot exist. A path is safe if it does not lead to another origin.
const HERE = "http://here.invalid";

/**
 * Parse a path of this app. Returns null if it leads elsewhere or is not a path.
 *
 * This uses the browser's own parser, since it accepts what a pattern would miss: backslashes,
 * tabs, `//host`, and `/.//host`, which becomes `//host` when it is parsed.
 */
function parsedPath(value: string): URL | null {
  // Not `URL.parse`, which Safari supports only since version 18.
  if (!(value.startsWith("/") && URL.canParse(value, HERE))) return null;
  const url = new URL(value, HERE);
  return url.origin === HERE && !url.pathname.startsWith("//") ? url : null;
}

/** Whether the value starts like a path of this app but leads the browser to another site. */
export function leavesApp(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("/") && parsedPath(value) === null;
}

/** Return where to go after sign-in: `value` if it is a path of this app, else the task list. */
export function nextPath(value: unknown): string {
  const url = typeof value === "string" ? parsedPath(value) : null;
  if (url === null) return HOME;
  // A return to sign-in or to a JSON response is of no use.
  if (/^\/(sign-in|sign-up|api)(\/|$)/.test(url.pathname)) return HOME;
  return url.pathname + url.search + url.hash;
}

/** `refused`: the API rejected a fresh token. Going back would fail again. */
export type SignedOutReason = "session-over" | "refused";

export function signInPath(next: string, reason: SignedOutReason = "session-over"): string {
  const query = new URLSearchParams({ next: nextPath(next) });
  if (reason === "refused") query.set("refused", "1");
  return `/sign-in?${query}`;
}
