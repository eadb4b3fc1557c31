/** No answer came from the server: there is no network, it is down, or it took too long. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/**
 * `fetch`, whose failures are the network's and say so. Whatever else throws is a fault of the app.
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
 * Whether the web app's server answers. To be asked before the router fetches a page: when that fails,
 * Next loads the page as a document, and the browser shows its own error in place of the app.
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
