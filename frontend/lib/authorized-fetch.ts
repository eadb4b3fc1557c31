import type { AccessToken } from "./access-token";
import { reach } from "./reach";

const TIMEOUT_MS = 15_000;

/**
 * `fetch` as the person whose token it is: with the token and no cookie, for at most 15 seconds.
 *
 * A 401 is tried once more, with a token that is newer than the refusal; a 401 on that one is
 * answered. Nothing else is tried again: over a 503 another token would change nothing.
 *
 * @throws what `AccessToken.get` throws, and {UnreachableError}.
 */
export function authorizedFetch(accessToken: AccessToken): typeof fetch {
  async function send(input: RequestInfo | URL, init: RequestInit | undefined, token: string) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const headers = new Headers(init?.headers);
    headers.set("Authorization", `Bearer ${token}`);
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
