/** Thrown when there was no response: no network, no server, or a timeout. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/**
 * Call `fetch`, and turn its network errors into `UnreachableError`. Any other exception is a bug.
 *
 * @throws {UnreachableError}
 */
export async function reach(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (cause) {
    throw new UnreachableError("no answer", { cause });
  }
}

const TIMEOUT_MS = 5_000;

/**
 * Whether the web app's server answers. Call it before the router fetches a page: if that fails,
 * Next loads the page as a document, and the browser shows its own error page instead of the app.
 */
export async function isServerReachable(): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await reach("/api/health", { cache: "no-store", signal });
    return true;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    return false;
  }
}
