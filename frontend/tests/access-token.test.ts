import { UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AccessToken, SessionOverError, TokenUnavailableError } from "../lib/access-token";

const OWNER = "ada";
const DAY = 24 * 60 * 60;
/** The server's clock, in seconds; the laptop's is whatever a test sets. */
const SERVER_TIME = 1_800_000_000;

let issued = 0;

function answer({ life = DAY, owner = OWNER } = {}): Response {
  issued += 1;
  const token = new UnsecuredJWT({ user_id: owner, n: issued })
    .setIssuedAt(SERVER_TIME)
    .setExpirationTime(SERVER_TIME + life)
    .encode();
  return Response.json({ token });
}

const fetchToken = vi.fn<typeof fetch>();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: SERVER_TIME * 1_000 });
  vi.stubGlobal("fetch", fetchToken);
  fetchToken.mockReset().mockImplementation(async () => answer());
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const wait = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000);

describe("an access token", () => {
  test("is fetched once for callers in parallel, and again only after that", async () => {
    const accessToken = new AccessToken(OWNER);
    const [first, ...others] = await Promise.all([1, 2, 3, 4].map(() => accessToken.get()));
    expect(others).toEqual([first, first, first]);
    expect(await accessToken.get()).toBe(first);
    expect(fetchToken).toHaveBeenCalledTimes(1);
    expect(await accessToken.renew()).not.toBe(first);
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("is asked for past every cache, with a limit on the wait", async () => {
    await new AccessToken(OWNER).get();
    const [path, init] = fetchToken.mock.calls[0] ?? [];
    expect(path).toBe("/api/auth/token");
    expect(init).toMatchObject({ cache: "no-store", signal: expect.any(AbortSignal) });
  });

  test.each([
    { life: DAY, kept: DAY - 62, due: DAY - 61 },
    { life: 5, kept: 2.7, due: 2.75 },
    { life: 240, kept: 178, due: 179 },
  ])("that lives $life s is kept for $kept s and due after $due s", async ({ life, kept, due }) => {
    fetchToken.mockImplementation(async () => answer({ life }));
    const accessToken = new AccessToken(OWNER);
    await accessToken.get();
    wait(kept);
    expect(accessToken.isDue).toBe(false);
    wait(due - kept);
    expect(accessToken.isDue).toBe(true);
    await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("counts from when it was asked for, however long the answer took", async () => {
    fetchToken.mockImplementation(() => {
      wait(2);
      return Promise.resolve(answer({ life: 5 }));
    });
    const accessToken = new AccessToken(OWNER);
    await accessToken.get();
    wait(1.75);
    expect(accessToken.isDue).toBe(true);
  });

  test.each([-400 * DAY, -3_600, 3_600, 400 * DAY])(
    "does not mind a laptop clock that is %i s off",
    async (offset) => {
      wait(offset);
      const accessToken = new AccessToken(OWNER);
      await accessToken.get();
      expect(accessToken.isDue).toBe(false);
      wait(DAY);
      expect(accessToken.isDue).toBe(true);
    },
  );

  test("is due when the laptop clock was set back", async () => {
    const accessToken = new AccessToken(OWNER);
    await accessToken.get();
    wait(-10);
    expect(accessToken.isDue).toBe(true);
  });

  test("is gone when the session is over", async () => {
    const accessToken = new AccessToken(OWNER);
    await accessToken.get();
    fetchToken.mockImplementation(async () => new Response(null, { status: 401 }));
    await expect(accessToken.renew()).rejects.toBeInstanceOf(SessionOverError);
    expect(accessToken.current).toBeUndefined();
  });

  test("of another person, who signed in meanwhile, is never used", async () => {
    const accessToken = new AccessToken(OWNER);
    await accessToken.get();
    fetchToken.mockImplementation(async () => answer({ owner: "grace" }));
    await expect(accessToken.renew()).rejects.toBeInstanceOf(SessionOverError);
    expect(accessToken.current).toBeUndefined();
  });

  test.each([429, 500, 502, 503])(
    "survives an outage (%i), which ends no session",
    async (status) => {
      const accessToken = new AccessToken(OWNER);
      const token = await accessToken.get();
      fetchToken.mockImplementation(async () => new Response(null, { status }));
      await expect(accessToken.renew()).rejects.toBeInstanceOf(TokenUnavailableError);
      expect(accessToken.current).toBe(token);
    },
  );

  test.each([
    ["no network", () => Promise.reject(new TypeError("fetch failed"))],
    ["a page instead of a token", async () => new Response("<html>")],
    ["a token that is none", async () => Response.json({ token: "a.b.c" })],
    ["a token without an end", async () => Response.json({ token: new UnsecuredJWT({}).encode() })],
  ])("survives %s", async (_, outage) => {
    const accessToken = new AccessToken(OWNER);
    const token = await accessToken.get();
    fetchToken.mockImplementation(outage);
    await expect(accessToken.renew()).rejects.toBeInstanceOf(TokenUnavailableError);
    expect(accessToken.current).toBe(token);
  });

  test("can be had again after a failure", async () => {
    const accessToken = new AccessToken(OWNER);
    fetchToken.mockImplementationOnce(async () => new Response(null, { status: 503 }));
    await expect(accessToken.get()).rejects.toBeInstanceOf(TokenUnavailableError);
    await expect(accessToken.get()).resolves.toEqual(expect.any(String));
  });

  test("is written to no storage of the browser", async () => {
    const setItem = vi.fn();
    vi.stubGlobal("localStorage", { setItem });
    vi.stubGlobal("sessionStorage", { setItem });
    const cookies = vi.fn();
    vi.stubGlobal("document", Object.defineProperty({}, "cookie", { set: cookies }));
    await new AccessToken(OWNER).get();
    expect(setItem).not.toHaveBeenCalled();
    expect(cookies).not.toHaveBeenCalled();
  });
});
