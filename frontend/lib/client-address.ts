import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { type BlockList, isIP } from "node:net";

/** The header from which Better Auth reads the client's address. Only this server can write it. */
export const CLIENT_ADDRESS_HEADER = "x-client-address";

/** Return an IPv4 address without the prefix that a dual-stack socket adds (`::ffff:192.0.2.1`). */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function isTrusted(address: string, proxies: BlockList): boolean {
  const version = isIP(address);
  return version !== 0 && proxies.check(address, version === 6 ? "ipv6" : "ipv4");
}

/**
 * Return the address of the client: the socket's peer or, if that is a trusted proxy, the
 * right-most address in `X-Forwarded-For` that is not one. The client may have written the
 * addresses left of it.
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
 * Write the client's address into each request before Next sees it.
 *
 * Next passes no socket to a route, and sets `x-forwarded-for` only if the client did not. Node
 * publishes this event synchronously before it emits `request`, so nothing runs earlier. Assigning
 * to `headers` replaces a header of the same name that the client sent.
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
