import { afterEach, expect, test, vi } from "vitest";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

test.each([
  ["http://tasks.example:3000", ["tasks.example"]],
  ["https://laptop.tail1234.ts.net", ["laptop.tail1234.ts.net"]],
  ["nonsense", []],
  ["", []],
])("in development the pages of %j may load their scripts", async (url, hosts) => {
  vi.stubEnv("NEXT_PUBLIC_BETTER_AUTH_URL", url);
  const { default: config } = await import("../next.config");
  expect(config.allowedDevOrigins).toEqual(hosts);
});
