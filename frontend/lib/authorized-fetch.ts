import type { AccessToken } from "./access-token";
import { reach } from "./reach";
import { newTraceparent } from "./traceparent";

const TIMEOUT_MS = 15_000;

/**
 * Return a `fetch` that sends the person's token, no cookies, and times out after 15 seconds. It
 * begins a trace if the server records traces.
 *
 * After a 401 it tries once more with a newer token, and returns the second response. It does not
 * retry other responses: a new token does not help against a 503.
 *
 * @throws what `AccessToken.get` throws, and {UnreachableError}.
 */
export function authorizedFetch(accessToken: AccessToken): typeof fetch {
  async function send(input: RequestInfo | URL, init: RequestInit | undefined, token: string) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const headers = new Headers(init?.headers);
    headers.set("Authorization", `Bearer ${token}`);
    const traceparent = newTraceparent();
    if (traceparent !== null) headers.set("traceparent", traceparent);
    return await reach(input, {
      ...init,
      headers,
      credentials: "omit",
      signal: init?.signal ? AbortSignal.any([init.signal, timeout]) : timeout,
    });
  }

  return async (input, init) => {
    const token = await accessToken.get();
    const response = await send(input, init, token);
    if (response.status !== 401) return response;
    accessToken.invalidate(token);
    return await send(input, init, await accessToken.get());
  };
}
