import type { Config } from "./config";

/** As Node's own `NO_PROXY` reads them: a name, an address, an address of IPv6 as in a URL. */
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Has Node reach this machine and the product's own hosts without a proxy, whatever HTTP_PROXY says.
 *
 * Node uses a proxy of the environment when NODE_USE_ENV_PROXY=1, and reads NO_PROXY at each request.
 */
export function bypassProxies(
  env: Record<string, string | undefined>,
  { baseUrl, apiUrl, eventsUrl }: Pick<Config, "baseUrl" | "apiUrl" | "eventsUrl">,
): void {
  const noProxy = env.no_proxy ?? env.NO_PROXY ?? "";
  // Only alone does a star stand for every host.
  if (noProxy.trim() === "*") return;
  const own = [baseUrl, apiUrl, eventsUrl].map((url) => new URL(url).hostname);
  const named = noProxy.split(/[,\s]+/).filter(Boolean);
  env.no_proxy = [...new Set([...named, ...LOOPBACK, ...own])].join(",");
}
