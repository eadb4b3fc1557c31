import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { type BlockList, isIP } from "node:net";

/** Better Auth reads the client's address from this header, which only this server can write. */
export const CLIENT_ADDRESS_HEADER = "x-client-address";

/** A dual-stack socket shows an IPv4 peer as `::ffff:192.0.2.1`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function isTrusted(address: string, proxies: BlockList): boolean {
  const version = isIP(address);
  return version !== 0 && proxies.check(address, version === 6 ? "ipv6" : "ipv4");
}

/**
 * Who sent a request: the socket's peer, or, when that is a trusted proxy, the right-most address in
 * `X-Forwarded-For` that is not one. What stands further left, the client may have written itself.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  proxies: BlockList,
): string {
  let client = plain(peer);
  const hops = (forwardedFor ?? "").split(",").map((hop) => plain(hop.trim()));
  while (isTrusted(client, proxies)) {
    const hop = hops.pop();
    if (hop === undefined || isIP(hop) === 0) break;
    client = hop;
  }
  return client;
}

/**
 * Writes the client's address into each request before Next sees it.
 *
 * Next hands a route no socket, and fills `x-forwarded-for` only when the client did not. Node
 * publishes this event synchronously before it emits `request`, so that nothing comes earlier, and
 * assigning to `headers` replaces what a client sent under the same name.
 */
export function writeClientAddresses(proxies: BlockList): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    const forwarded = request.headers["x-forwarded-for"];
    request.headers[CLIENT_ADDRESS_HEADER] = clientAddress(
      request.socket.remoteAddress ?? "",
      Array.isArray(forwarded) ? forwarded.join(",") : forwarded,
      proxies,
    );
  });
}
