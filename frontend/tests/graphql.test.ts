import { CombinedError } from "urql";
import { afterEach, describe, expect, test, vi } from "vitest";
import { requestProblem } from "../components/account/problem";
import { AccessToken, TokenUnavailableError } from "../lib/access-token";
import { Backoff, retryAfterOf } from "../lib/backoff";
import { apiErrorMessage, createClient, failureCode, isOutage, retryAfterIn } from "../lib/graphql";
import { reach, UnreachableError } from "../lib/reach";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const response = (status: number, headers: Record<string, string> = {}) =>
  new Response(null, { status, headers });

describe("a failure", () => {
  test.each([
    ["no response", new UnreachableError("away"), undefined, "UNREACHABLE"],
    ["a response that was cut off", new TypeError("terminated"), response(200), "UNREACHABLE"],
    ["an error page of a proxy", new Error("<html>"), response(502), "UNAVAILABLE"],
    ["a rate limit of a proxy", new Error("slow down"), response(429), "RATE_LIMITED"],
    ["a missing page", new Error("<html>"), response(404), "UNEXPECTED"],
    [
      "a missing token without a response",
      new TokenUnavailableError("no"),
      undefined,
      "UNREACHABLE",
    ],
    [
      "a missing token while Better Auth's database is down",
      new TokenUnavailableError("no", { response: response(503) }),
      undefined,
      "UNAVAILABLE",
    ],
    [
      "a missing token after too many requests",
      new TokenUnavailableError("no", { response: response(429) }),
      undefined,
      "RATE_LIMITED",
    ],
    ["a bug", new TypeError("x is not a function"), undefined, "FAULT"],
  ])("because of %s has its own code", (_, networkError, answer, code) => {
    expect(failureCode(new CombinedError({ networkError, response: answer }))).toBe(code);
  });

  test("of this app does not blame the connection and keeps pending edits", async () => {
    vi.stubGlobal("AbortSignal", { timeout: () => new AbortController().signal });
    vi.stubGlobal("fetch", () => Promise.resolve(response(200)));
    const told = vi.spyOn(console, "error").mockReturnValue();
    const accessToken = new AccessToken("ada");
    vi.spyOn(accessToken, "get").mockResolvedValue("token");
    const client = createClient("http://api.test", accessToken, () => {});
    const { error } = await client.query("{ viewer { id } }", {}).toPromise();
    expect(error && apiErrorMessage(error)).toContain("Something went wrong in this app.");
    expect(error && isOutage(error)).toBe(true);
    expect(told).toHaveBeenCalledWith(expect.any(TypeError));
  });

  test("of this app in a form does not blame the connection", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const fails = (error: Error) => requestProblem(() => Promise.reject(error));
    expect(await fails(new TypeError("x is not a function"))).toMatchObject({
      message: expect.stringContaining("Something went wrong in this app."),
    });
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    expect(
      await requestProblem(async () => ({ error: await reach("/").then(() => null) })),
    ).toEqual({
      message: "No answer from the server. Check your connection and try again.",
    });
  });
});

describe("Retry-After", () => {
  test.each([
    ["30", 30_000],
    ["0", 0],
    ["999999999999", 3_600_000],
    ["soon", null],
    ["-1", null],
    ["", null],
  ])("%j", (value, expected) => {
    expect(retryAfterOf(response(503, { "Retry-After": value }))).toBe(expected);
  });

  test("as a date is compared with the server's clock, or else with this one", () => {
    vi.useFakeTimers({ now: Date.parse("2026-11-25T13:00:00Z") });
    const at = { "Retry-After": "Wed, 25 Nov 2026 12:00:30 GMT" };
    const date = "Wed, 25 Nov 2026 12:00:00 GMT";
    expect(retryAfterOf(response(503, { ...at, Date: date }))).toBe(30_000);
    expect(retryAfterOf(response(503, at))).toBe(0);
  });

  test("of a response without a token is used, too", () => {
    const answer = response(503, { "Retry-After": "7" });
    const networkError = new TokenUnavailableError("no", { response: answer });
    expect(retryAfterIn(new CombinedError({ networkError }))).toBe(7_000);
  });

  test("is respected, and the waits double without it", () => {
    const backoff = new Backoff();
    const waits = [null, null, 60_000, null, null, null, null].map((asked) => backoff.after(asked));
    expect(waits).toEqual([1_000, 2_000, 60_000, 8_000, 16_000, 30_000, 30_000]);
    backoff.reset();
    expect(backoff.after(null)).toBe(1_000);
  });
});
