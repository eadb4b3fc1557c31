import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { expect, test } from "vitest";
import { readConfig } from "../lib/config";
import { secretRotation, secretVersions } from "../lib/secret-rotation";

const SITE = "https://tasks.example";
const OLD = "0123456789abcdefghijklmnopqrstuvwxyz-old";
const NEW = "0123456789abcdefghijklmnopqrstuvwxyz-new";

/** A real Better Auth behind TLS, which the tests over HTTP are not. */
function issuer(database: Record<string, unknown[]>, secret: string, previous?: string) {
  const config = readConfig({
    BETTER_AUTH_SECRET: secret,
    BETTER_AUTH_SECRET_PREVIOUS: previous,
    NEXT_PUBLIC_BETTER_AUTH_URL: SITE,
    DATABASE_URL: "postgresql://unused",
  });
  return betterAuth({
    baseURL: SITE,
    secrets: secretVersions(config),
    database: memoryAdapter(database),
    emailAndPassword: { enabled: true },
    plugins: previous === undefined ? [] : [secretRotation(previous)],
  });
}

const cookieOf = (answer: Response) => answer.headers.getSetCookie().map((set) => set.split(";"));

test("behind TLS the cookie that is given again is as secure as the one before", async () => {
  const database = { user: [], session: [], account: [], verification: [] };
  const signedUp = await issuer(database, OLD).handler(
    new Request(`${SITE}/api/auth/sign-up/email`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: SITE },
      body: JSON.stringify({ email: "ada@example.com", name: "Ada", password: "correct horse" }),
    }),
  );
  const [[before = "", ...attributes] = []] = cookieOf(signedUp);
  const ask = (cookie: string) =>
    new Request(`${SITE}/api/auth/get-session`, { headers: { Cookie: `theme=dark; ${cookie}` } });

  const answer = await issuer(database, NEW, OLD).handler(ask(before));
  const [[after = "", ...again] = [], ...more] = cookieOf(answer);
  expect(more).toEqual([]);
  expect(before.split("=")[0]).toBe("__Secure-better-auth.session_token");
  expect(after.split("=")[0]).toBe("__Secure-better-auth.session_token");
  expect(after).not.toBe(before);
  const lasting = (attribute: string) => attribute.replace(/Max-Age=604[78]\d\d$/, "a week");
  expect(again.map(lasting)).toEqual(attributes.map(lasting));
  expect(again.map((attribute) => attribute.trim())).toContain("Secure");

  expect(await (await issuer(database, NEW).handler(ask(after))).json()).toMatchObject({
    user: { email: "ada@example.com" },
  });
  expect(await (await issuer(database, NEW).handler(ask(before))).json()).toBeNull();
});
