import { describe, expect, test } from "vitest";
import { clientAddress } from "../lib/client-address";
import { ConfigError, readConfig } from "../lib/config";

function proxies(value: string) {
  return readConfig({
    BETTER_AUTH_SECRET: "0123456789abcdef0123456789abcdef",
    NEXT_PUBLIC_BETTER_AUTH_URL: "https://tasks.example",
    DATABASE_URL: "postgresql://postgres@/postgres?host=/run/postgresql",
    TRUSTED_PROXIES: value,
  }).trustedProxies;
}

const NONE = proxies("");
const PRIVATE = proxies("10.0.0.0/8, 192.0.2.7,2001:db8::/32");

describe("the address of a client", () => {
  test("is the peer without a proxy, whatever the client claims", () => {
    expect(clientAddress("203.0.113.5", "198.51.100.1", NONE)).toBe("203.0.113.5");
  });

  test("ignores X-Forwarded-For of a peer that is not a trusted proxy", () => {
    expect(clientAddress("203.0.113.5", "198.51.100.1", PRIVATE)).toBe("203.0.113.5");
  });

  test("is the right-most one behind a trusted proxy, not one that the client wrote", () => {
    expect(clientAddress("10.1.2.3", "6.6.6.6, 198.51.100.1", PRIVATE)).toBe("198.51.100.1");
  });

  test("is the first behind several trusted proxies that is not one of them", () => {
    expect(clientAddress("10.1.2.3", "6.6.6.6, 198.51.100.1, 192.0.2.7, 10.9.9.9", PRIVATE)).toBe(
      "198.51.100.1",
    );
  });

  test("is found behind IPv6 proxies and on dual-stack sockets", () => {
    expect(clientAddress("2001:db8::1", "198.51.100.1", PRIVATE)).toBe("198.51.100.1");
    expect(clientAddress("::ffff:10.1.2.3", "198.51.100.1", PRIVATE)).toBe("198.51.100.1");
    expect(clientAddress("::ffff:203.0.113.5", undefined, NONE)).toBe("203.0.113.5");
  });

  test.each([undefined, "", "unknown", "6.6.6.6, not-an-address"])(
    "is the proxy itself if it forwards %j",
    (forwarded) => expect(clientAddress("10.1.2.3", forwarded, PRIVATE)).toBe("10.1.2.3"),
  );

  test("can be that of one trusted proxy, and not its neighbour's", () => {
    expect(clientAddress("192.0.2.8", "198.51.100.1", PRIVATE)).toBe("192.0.2.8");
  });

  test.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/129", "proxy.example", "10.0.0.1/8/8"])(
    "%s is not an address or network",
    (value) => expect(() => proxies(value)).toThrow(ConfigError),
  );
});
