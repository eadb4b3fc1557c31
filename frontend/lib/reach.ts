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
