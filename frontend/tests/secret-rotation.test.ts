import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { expect, test } from "vitest";
import { readConfig } from "../lib/config";
import { secretRotation, secretVersions } from "../lib/secret-rotation";

const SITE = "https://tasks.example";
const OLD = "0123456789abcdefghijklmnopqrstuvwxyz-old";
const NEW = "0123456789abcdefghijklmnopqrstuvwxyz-new";

/** A real Better Auth behind TLS. The e2e tests use HTTP. */
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

const cookiesOf = (answer: Response) =>
  answer.headers.getSetCookie().map((set) => set.split(/; */).map(lasting));
const lasting = (attribute: string) => attribute.replace(/^Max-Age=604[78]\d\d$/, "Max-Age=a week");

/** The cookies of a person who signed up with the previous secret. */
async function signUp(database: Record<string, unknown[]>, rememberMe: boolean) {
  const answer = await issuer(database, OLD).handler(
    new Request(`${SITE}/api/auth/sign-up/email`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: SITE },
      body: JSON.stringify({
        email: "ada@example.com",
        name: "Ada",
        password: "correct horse",
        rememberMe,
      }),
    }),
  );
  return cookiesOf(answer);
}

test.each([true, false])(
  "the cookie that is given again is like the one before (remembered: %s)",
  async (rememberMe) => {
    const database = { user: [], session: [], account: [], verification: [] };
    const before = await signUp(database, rememberMe);
    const ask = (cookies: string[][]) => {
      const sent = ["theme=dark", ...cookies.map(([cookie]) => cookie)].join("; ");
      return new Request(`${SITE}/api/auth/get-session`, { headers: { Cookie: sent } });
    };

    const answer = await issuer(database, NEW, OLD).handler(ask(before));
    const after = cookiesOf(answer);
    const nameOf = ([cookie = ""]: string[]) => cookie.split("=")[0];
    expect(after.map(nameOf)).toEqual(before.map(nameOf));
    expect(after.map(nameOf)).toEqual(
      rememberMe
        ? ["__Secure-better-auth.session_token"]
        : ["__Secure-better-auth.session_token", "__Secure-better-auth.dont_remember"],
    );
    after.forEach(([cookie, ...attributes], index) => {
      const [earlier, ...its] = before[index] ?? [];
      expect(cookie).not.toBe(earlier);
      expect(attributes).toEqual(its);
      expect(attributes).toContain("Secure");
      expect(attributes.includes("Max-Age=a week")).toBe(rememberMe);
    });

    expect(await (await issuer(database, NEW).handler(ask(after))).json()).toMatchObject({
      user: { email: "ada@example.com" },
    });
    expect(await (await issuer(database, NEW).handler(ask(before))).json()).toBeNull();
  },
);
