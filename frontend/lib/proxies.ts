import type { Config } from "./config";

/** In the form that Node's `NO_PROXY` expects. */
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Make Node reach this machine and the product's own hosts without a proxy, whatever HTTP_PROXY
 * says.
 *
 * Node uses the proxy of the environment with NODE_USE_ENV_PROXY=1, and reads NO_PROXY for each
 * request.
 */
export function bypassProxies(
  env: Record<string, string | undefined>,
  { baseUrl, apiUrl, eventsUrl }: Pick<Config, "baseUrl" | "apiUrl" | "eventsUrl">,
): void {
  const noProxy = env.no_proxy ?? env.NO_PROXY ?? "";
  // A star means every host only if it stands alone.
  if (noProxy.trim() === "*") return;
  const own = [baseUrl, apiUrl, eventsUrl].map((url) => new URL(url).hostname);
  const named = noProxy.split(/[,\s]+/).filter(Boolean);
  env.no_proxy = [...new Set([...named, ...LOOPBACK, ...own])].join(",");
}
