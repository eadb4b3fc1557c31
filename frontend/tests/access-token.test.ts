import { UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AccessToken, SessionOverError, TokenUnavailableError } from "../lib/access-token";

const HOUR = 60 * 60;
const DAY = 24 * HOUR;
/** The server's clock at the start, in seconds. Each test sets the device's clock. */
const SERVER_TIME = 1_800_000_000;

let owner: string;
let people = 0;
let issued = 0;
let opened: { close: () => void }[];

/** Independent of the device's clock. */
const serverTime = () => SERVER_TIME + Math.floor(performance.now() / 1000);

function issue({ life = DAY, to = owner } = {}): string {
  issued += 1;
  return new UnsecuredJWT({ user_id: to, n: issued })
    .setIssuedAt(serverTime())
    .setExpirationTime(serverTime() + life)
    .encode();
}

const answer = (claims = {}) => Response.json({ token: issue(claims) });

const fetchToken = vi.fn<typeof fetch>();

/** Open another tab of the same browser. */
function tab(of = owner): AccessToken {
  const accessToken = new AccessToken(of);
  opened.push(accessToken);
  return accessToken;
}

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["Date", "performance", "setTimeout", "clearTimeout"],
    now: SERVER_TIME * 1_000,
  });
  vi.stubGlobal("fetch", fetchToken);
  fetchToken.mockReset().mockImplementation(async () => answer());
  people += 1;
  owner = `ada-${people}`;
  opened = [];
});

afterEach(() => {
  for (const each of opened) each.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const wait = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
const setLaptopClock = (by: number) => vi.setSystemTime(Date.now() + by * 1_000);

/** Let the event loop deliver the messages between tabs. */
async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setImmediate(resolve));
}

describe("an access token", () => {
  test("is fetched once for parallel callers, and again only after it is invalidated", async () => {
    const accessToken = tab();
    const [first = "", ...others] = await Promise.all([1, 2, 3, 4].map(() => accessToken.get()));
    expect(others).toEqual([first, first, first]);
    expect(await accessToken.get()).toBe(first);
    expect(fetchToken).toHaveBeenCalledTimes(1);
    accessToken.invalidate(first);
    const second = await accessToken.get();
    expect(second).not.toBe(first);
    accessToken.invalidate(first);
    expect(await accessToken.get()).toBe(second);
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("is fetched without a cache and with a timeout", async () => {
    await tab().get();
    const [path, init] = fetchToken.mock.calls[0] ?? [];
    expect(path).toBe("/api/auth/token");
    expect(init).toMatchObject({ cache: "no-store", signal: expect.any(AbortSignal) });
  });

  test.each([
    { life: DAY, kept: DAY - 62, due: DAY - 61 },
    { life: 5, kept: 2.7, due: 2.8 },
    { life: 240, kept: 178, due: 179 },
  ])(
    "with a lifetime of $life s is used for $kept s and renewed after $due s",
    async ({ life, kept, due }) => {
      fetchToken.mockImplementation(async () => answer({ life }));
      const accessToken = tab();
      await accessToken.get();
      await wait(kept);
      await accessToken.get();
      expect(fetchToken).toHaveBeenCalledTimes(1);
      await wait(due - kept);
      await accessToken.get();
      expect(fetchToken).toHaveBeenCalledTimes(2);
    },
  );

  test("has an age that counts from the request, however long the response took", async () => {
    fetchToken.mockImplementation(async () => {
      await wait(2);
      return answer({ life: 5 });
    });
    const accessToken = tab();
    await accessToken.get();
    await wait(0.75);
    await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test.each([-400 * DAY, -HOUR, HOUR, 400 * DAY])(
    "does not mind a laptop clock that is %i s off",
    async (offset) => {
      setLaptopClock(offset);
      const accessToken = tab();
      await accessToken.get();
      await wait(DAY - 62);
      await accessToken.get();
      expect(fetchToken).toHaveBeenCalledTimes(1);
      await wait(1);
      await accessToken.get();
      expect(fetchToken).toHaveBeenCalledTimes(2);
    },
  );

  test("does not become younger when the device's clock is set back", async () => {
    const accessToken = tab();
    await accessToken.get();
    await wait(20 * HOUR);
    setLaptopClock(-10 * HOUR);
    await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(1);
    await wait(4 * HOUR);
    await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("is fetched once, and not in a loop, when the device's clock jumps ahead", async () => {
    const accessToken = tab();
    await accessToken.get();
    setLaptopClock(30 * DAY);
    for (let request = 0; request < 20; request += 1) await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("is renewed after the device slept, though the page's clock stood still", async () => {
    const accessToken = tab();
    await accessToken.get();
    setLaptopClock(DAY);
    await accessToken.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("is dropped when the session has ended", async () => {
    const accessToken = tab();
    accessToken.invalidate(await accessToken.get());
    fetchToken.mockImplementation(async () => new Response(null, { status: 401 }));
    await expect(accessToken.get()).rejects.toBeInstanceOf(SessionOverError);
    await expect(accessToken.get()).rejects.toBeInstanceOf(SessionOverError);
  });

  test("of another person who signed in meanwhile is never used", async () => {
    fetchToken.mockImplementation(async () => answer({ to: "grace" }));
    const accessToken = tab();
    await expect(accessToken.get()).rejects.toBeInstanceOf(SessionOverError);
    await expect(accessToken.get()).rejects.toBeInstanceOf(SessionOverError);
  });

  const outages: [string, () => Promise<Response>][] = [
    ...[429, 500, 502, 503].map((status): [string, () => Promise<Response>] => [
      `HTTP ${status}`,
      async () => new Response(null, { status }),
    ]),
    ["no network", () => Promise.reject(new TypeError("fetch failed"))],
    ["a page instead of a token", async () => new Response("<html>")],
    ["a token that is none", async () => Response.json({ token: "a.b.c" })],
    ["a token without an end", async () => Response.json({ token: new UnsecuredJWT({}).encode() })],
  ];

  test.each(outages)("is used during %s until it expires", async (_, outage) => {
    const accessToken = tab();
    const token = await accessToken.get();
    await wait(DAY - 30);
    fetchToken.mockImplementation(outage);
    const used = accessToken.get();
    await wait(2);
    expect(await used).toBe(token);
    const asked = fetchToken.mock.calls.length;
    await accessToken.get();
    expect(fetchToken, "not asked for again at once").toHaveBeenCalledTimes(asked);
    await wait(30);
    const late = expect(accessToken.get()).rejects.toBeInstanceOf(TokenUnavailableError);
    await wait(2);
    await late;
  });

  test.each(outages)("is fetched again after %s", async (_, outage) => {
    fetchToken.mockImplementation(outage);
    const accessToken = tab();
    const failed = expect(accessToken.get()).rejects.toBeInstanceOf(TokenUnavailableError);
    await until(() => fetchToken.mock.calls.length > 0);
    await wait(2);
    await failed;
    fetchToken.mockImplementation(async () => answer());
    await expect(accessToken.get()).resolves.toEqual(expect.any(String));
  });

  test("is fetched by a device whose network needs a second after waking", async () => {
    fetchToken.mockRejectedValueOnce(new TypeError("fetch failed"));
    const token = tab().get();
    await until(() => fetchToken.mock.calls.length > 0);
    await wait(1);
    await expect(token).resolves.toEqual(expect.any(String));
  });

  test("is not written to any storage of the browser", async () => {
    const setItem = vi.fn();
    vi.stubGlobal("localStorage", { setItem });
    vi.stubGlobal("sessionStorage", { setItem });
    const cookies = vi.fn();
    vi.stubGlobal("document", Object.defineProperty({}, "cookie", { set: cookies }));
    await tab().get();
    expect(setItem).not.toHaveBeenCalled();
    expect(cookies).not.toHaveBeenCalled();
  });
});

/** A channel whose messages arrive long after the lock is released, as browsers may do. */
class SlowChannel extends BroadcastChannel {
  override postMessage(message: unknown): void {
    setTimeout(() => super.postMessage(message), 100);
  }
}

/** The channel of one's tabs, and how many messages reached all who listened before. */
function listen(): { channel: BroadcastChannel; heard: () => number } {
  const channel = new BroadcastChannel(`access-token:${owner}`);
  const listener = new BroadcastChannel(`access-token:${owner}`);
  let count = 0;
  listener.onmessage = () => {
    count += 1;
  };
  opened.push(channel, listener);
  return { channel, heard: () => count };
}

async function shown(): Promise<(string | undefined)[]> {
  const { held = [] } = await navigator.locks.query();
  return held.map(({ name }) => name).filter((name) => name?.startsWith(`access-token:${owner}`));
}

/** A tab that holds a token issued at that second, as far as the others can see. */
function show(issuedAt: number): () => void {
  const { promise: held, resolve: end } = Promise.withResolvers<void>();
  void navigator.locks.request(`access-token:${owner}:${issuedAt}`, { mode: "shared" }, () => held);
  return end;
}

describe("the tabs of one person", () => {
  test("fetch one token when all request one at once", async () => {
    const tabs = [tab(), tab(), tab(), tab()];
    const [first, ...others] = await Promise.all(tabs.map((each) => each.get()));
    expect(others).toEqual([first, first, first]);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  test("fetch one token when messages arrive after the lock is released", async () => {
    vi.stubGlobal("BroadcastChannel", SlowChannel);
    const [one, other] = [tab().get(), tab().get()];
    const token = await one;
    await wait(0.3);
    expect(await other).toBe(token);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  test("use the token of a tab that was opened earlier", async () => {
    const token = await tab().get();
    await wait(HOUR);
    expect(await tab().get()).toBe(token);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  test("know the age of a token that another tab fetched", async () => {
    await tab().get();
    await wait(DAY - HOUR);
    const late = tab();
    await late.get();
    await wait(HOUR - 62);
    await late.get();
    expect(fetchToken).toHaveBeenCalledTimes(1);
    await wait(1);
    await late.get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("renew a token once for all of them", async () => {
    const [one, other] = [tab(), tab()];
    await Promise.all([one.get(), other.get()]);
    await wait(DAY);
    const [renewed, taken] = await Promise.all([one.get(), other.get()]);
    expect(taken).toBe(renewed);
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("replace a rejected token once for all of them", async () => {
    const [one, other] = [tab(), tab()];
    const [refused] = await Promise.all([one.get(), other.get()]);
    await wait(5);
    for (const each of [one, other]) each.invalidate(refused);
    const [fresh, taken] = await Promise.all([one.get(), other.get()]);
    expect(fresh).not.toBe(refused);
    expect(taken).toBe(fresh);
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("do not use another tab's token from before the rejection", async () => {
    const accessToken = tab();
    const refused = await accessToken.get();
    await wait(HOUR);
    const held = issue();
    const end = show(serverTime());
    await wait(HOUR);
    const channel = new BroadcastChannel(`access-token:${owner}`);
    let wasAsked = false;
    channel.onmessage = ({ data }) => {
      if (data.kind !== "wanted") return;
      channel.postMessage({ kind: "token", token: held, age: HOUR * 1000, sentAt: Date.now() });
      wasAsked = true;
    };
    accessToken.invalidate(refused);
    const fresh = accessToken.get();
    await until(() => wasAsked);
    await wait(0.6);
    expect(await fresh).not.toBe(held);
    expect(fetchToken).toHaveBeenCalledTimes(2);
    channel.close();
    end();
  });

  test("wait at most five seconds for a tab that hangs", async () => {
    const { promise: hung, resolve: end } = Promise.withResolvers<void>();
    void navigator.locks.request(`access-token:${owner}`, () => hung);
    let isHad = false;
    const token = tab()
      .get()
      .finally(() => {
        isHad = true;
      });
    await wait(4.9);
    expect(isHad).toBe(false);
    await wait(0.2);
    await expect(token).resolves.toEqual(expect.any(String));
    end();
  });

  test("do not wait for a closed tab, whichever lock it held", async () => {
    const closing = tab();
    await closing.get();
    closing.close();
    await tab().get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("fetch a token themselves when a tab does not send its own within half a second", async () => {
    const end = show(SERVER_TIME);
    const token = tab().get();
    await until(() => vi.getTimerCount() > 0);
    await wait(0.6);
    await expect(token).resolves.toEqual(expect.any(String));
    expect(fetchToken).toHaveBeenCalledTimes(1);
    end();
  });

  test("never use another person's token, whoever sends it", async () => {
    const accessToken = tab();
    const own = await accessToken.get();
    await wait(5);
    const channel = new BroadcastChannel(`access-token:${owner}`);
    const sentAt = Date.now();
    const junk = [
      null,
      "token",
      { kind: "token" },
      { kind: "token", token: 1, age: 0, sentAt },
      { kind: "token", token: "a.b.c", age: 0, sentAt },
      { kind: "token", token: issue(), age: Number.NaN, sentAt },
      { kind: "token", token: issue(), age: -1, sentAt },
      { kind: "token", token: issue({ to: "grace" }), age: 0, sentAt },
    ];
    for (const message of junk) channel.postMessage(message);
    const good = issue();
    channel.postMessage({ kind: "token", token: good, age: 0, sentAt });
    let held = own;
    while (held === own) {
      await new Promise((resolve) => setImmediate(resolve));
      held = await accessToken.get();
    }
    channel.close();
    expect(held).toBe(good);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  test("receive the new token when one of them renews it", async () => {
    const [one, other] = [tab(), tab()];
    const [old] = await Promise.all([one.get(), other.get()]);
    await wait(5);
    const { heard } = listen();
    one.invalidate(old);
    const renewed = await one.get();
    await until(() => heard() === 1);
    expect(await other.get()).toBe(renewed);
  });

  test("add the delay of a message to a frozen tab to the age of its token", async () => {
    const accessToken = tab();
    await accessToken.get();
    await wait(DAY - HOUR);
    const { channel, heard } = listen();
    const [sentAt, late, good] = [Date.now(), issue(), issue()];
    setLaptopClock(DAY);
    channel.postMessage({ kind: "token", token: late, age: 0, sentAt });
    channel.postMessage({ kind: "token", token: good, age: 0, sentAt: Date.now() });
    await until(() => heard() === 2);
    expect(await accessToken.get()).toBe(good);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  test("keep their token when an older one arrives", async () => {
    const older = issue();
    await wait(5);
    const accessToken = tab();
    const own = await accessToken.get();
    const { channel, heard } = listen();
    channel.postMessage({ kind: "token", token: older, age: 5_000, sentAt: Date.now() });
    await until(() => heard() === 1);
    expect(await accessToken.get()).toBe(own);
  });

  test("ignore a rejected or expired token and go on waiting", async () => {
    const accessToken = tab();
    const refused = await accessToken.get();
    accessToken.invalidate(refused);
    const { promise: answered, resolve: respond } = Promise.withResolvers<Response>();
    fetchToken.mockImplementation(() => answered);
    const fresh = accessToken.get();
    await until(() => fetchToken.mock.calls.length === 2);
    const { channel, heard } = listen();
    const sentAt = Date.now();
    channel.postMessage({ kind: "token", token: refused, age: 0, sentAt });
    channel.postMessage({ kind: "token", token: issue({ life: 1 }), age: 0, sentAt });
    await until(() => heard() === 2);
    const good = issue();
    respond(Response.json({ token: good }));
    expect(await fresh).toBe(good);
  });

  test("announce one token each, and none that was rejected", async () => {
    const accessToken = tab();
    await accessToken.get();
    await wait(DAY);
    const token = await accessToken.get();
    expect(await shown()).toEqual([`access-token:${owner}:${SERVER_TIME + DAY}`]);
    accessToken.invalidate(token);
    await wait(0);
    expect(await shown()).toEqual([]);
  });

  test("of different people share nothing", async () => {
    await tab().get();
    fetchToken.mockImplementation(async () => answer({ to: "grace" }));
    await tab("grace").get();
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("fetch on their own in a browser without locks", async () => {
    vi.stubGlobal("navigator", {});
    await Promise.all([tab().get(), tab().get()]);
    expect(fetchToken).toHaveBeenCalledTimes(2);
  });

  test("each try after a failed fetch, and none waits for another", async () => {
    fetchToken.mockImplementationOnce(async () => new Response(null, { status: 503 }));
    const [failed, had] = await Promise.allSettled([tab().get(), tab().get()]);
    expect(failed.status).toBe("rejected");
    expect(had.status).toBe("fulfilled");
  });
});
