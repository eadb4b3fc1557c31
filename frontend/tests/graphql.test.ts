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
    ["no answer", new UnreachableError("away"), undefined, "UNREACHABLE"],
    ["an answer that was cut off", new TypeError("terminated"), response(200), "UNREACHABLE"],
    ["a proxy's page", new Error("<html>"), response(502), "UNAVAILABLE"],
    ["a proxy's limit", new Error("slow down"), response(429), "RATE_LIMITED"],
    ["a page that is not there", new Error("<html>"), response(404), "UNEXPECTED"],
    ["no token, for want of an answer", new TokenUnavailableError("no"), undefined, "UNREACHABLE"],
    [
      "no token, since Better Auth's database is away",
      new TokenUnavailableError("no", { response: response(503) }),
      undefined,
      "UNAVAILABLE",
    ],
    [
      "no token, since too many were asked for",
      new TokenUnavailableError("no", { response: response(429) }),
      undefined,
      "RATE_LIMITED",
    ],
    ["an error in our code", new TypeError("x is not a function"), undefined, "FAULT"],
  ])("by %s is told from the others", (_, networkError, answer, code) => {
    expect(failureCode(new CombinedError({ networkError, response: answer }))).toBe(code);
  });

  test("that is ours never says that the connection is bad, and keeps what waits", async () => {
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

  test("of a form that is ours is not the network's either", async () => {
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

  test("as a date counts from the server's clock, or else from this one", () => {
    vi.useFakeTimers({ now: Date.parse("2026-11-25T13:00:00Z") });
    const at = { "Retry-After": "Wed, 25 Nov 2026 12:00:30 GMT" };
    const date = "Wed, 25 Nov 2026 12:00:00 GMT";
    expect(retryAfterOf(response(503, { ...at, Date: date }))).toBe(30_000);
    expect(retryAfterOf(response(503, at))).toBe(0);
  });

  test("of the answer without a token counts as well", () => {
    const answer = response(503, { "Retry-After": "7" });
    const networkError = new TokenUnavailableError("no", { response: answer });
    expect(retryAfterIn(new CombinedError({ networkError }))).toBe(7_000);
  });

  test("is waited for, and the waits grow by themselves", () => {
    const backoff = new Backoff();
    const waits = [null, null, 60_000, null, null, null, null].map((asked) => backoff.after(asked));
    expect(waits).toEqual([1_000, 2_000, 60_000, 8_000, 16_000, 30_000, 30_000]);
    backoff.reset();
    expect(backoff.after(null)).toBe(1_000);
  });
});
