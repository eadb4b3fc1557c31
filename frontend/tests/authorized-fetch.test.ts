import { UnsecuredJWT } from "jose";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AccessToken, SessionOverError } from "../lib/access-token";
import { authorizedFetch } from "../lib/authorized-fetch";

const API = "http://api.test/graphql";

let accessToken: AccessToken;
const issued: string[] = [];
/** The API's status for each request, in order; then 200. */
let statuses: number[];
let sessionIsOver: boolean;
const sent: { authorization: string | null; credentials: RequestCredentials | undefined }[] = [];
const traceparents: (string | null)[] = [];

function issue(): string {
  const claims = { user_id: "ada", n: issued.length };
  const token = new UnsecuredJWT(claims).setIssuedAt().setExpirationTime("24h").encode();
  issued.push(token);
  return token;
}

function answer(input: string, init?: RequestInit): Response {
  if (input === API) {
    const headers = new Headers(init?.headers);
    const authorization = headers.get("authorization");
    traceparents.push(headers.get("traceparent"));
    sent.push({ authorization, credentials: init?.credentials });
    return new Response(null, { status: statuses.shift() ?? 200 });
  }
  return sessionIsOver ? new Response(null, { status: 401 }) : Response.json({ token: issue() });
}

beforeEach(() => {
  accessToken = new AccessToken("ada");
  issued.length = 0;
  statuses = [];
  sessionIsOver = false;
  sent.length = 0;
  traceparents.length = 0;
  vi.stubGlobal("fetch", (input: string, init?: RequestInit) =>
    Promise.resolve(answer(input, init)),
  );
});

afterEach(() => {
  accessToken.close();
  vi.unstubAllGlobals();
});

const call = () => authorizedFetch(accessToken)(API, { method: "POST" });

test("a request has the token and no cookies", async () => {
  expect((await call()).status).toBe(200);
  expect(sent).toEqual([{ authorization: `Bearer ${issued[0]}`, credentials: "omit" }]);
});

test("a request begins a trace only if the page's server records traces", async () => {
  await call();
  const page = (asked: string) => ({
    querySelector: (selector: string) => (selector === asked ? {} : null),
  });
  vi.stubGlobal("document", page("meta[name=another]"));
  await call();
  expect(traceparents).toEqual([null, null]);
  vi.stubGlobal("document", page('meta[name="traces"]'));
  await call();
  await call();
  const [, , one, other] = traceparents;
  expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(other).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(other).not.toBe(one);
});

test("a 401 is retried once with a new token", async () => {
  statuses = [401];
  expect((await call()).status).toBe(200);
  expect(sent.map(({ authorization }) => authorization)).toEqual(
    issued.map((token) => `Bearer ${token}`),
  );
  expect(issued).toHaveLength(2);
});

test("a 401 with the new token is returned", async () => {
  statuses = [401, 401];
  expect((await call()).status).toBe(401);
  expect([sent.length, issued.length]).toEqual([2, 2]);
});

test.each([400, 403, 429, 500, 503])(
  "a %i is returned without fetching a token",
  async (status) => {
    statuses = [status];
    expect((await call()).status).toBe(status);
    expect([sent.length, issued.length]).toEqual([1, 1]);
  },
);

test("a 401 after the end of the session throws SessionOverError", async () => {
  await accessToken.get();
  statuses = [401];
  sessionIsOver = true;
  await expect(call()).rejects.toBeInstanceOf(SessionOverError);
});
