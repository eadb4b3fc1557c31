import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import type { Database } from "./database";
import { deriveKey } from "./keys";
import { readMember } from "./own-sessions";
import { Quota } from "./quota";

const SECONDS = 60;

/**
 * Each account may have 100 failed sign-ins, as many as NIST SP 800-63B allows, and one more every
 * minute. The limit by address alone would let an attacker with many addresses guess without limit.
 */
export const SIGN_IN_QUOTA = new Quota({
  table: "sign_in_limit",
  counted: "Failed sign-ins of late: keyed hashes of email addresses",
  most: 100,
  seconds: SECONDS,
});

const PATH = "/sign-in/email";

/** The failed sign-ins of each account. */
export class SignIns {
  readonly #database: Database;
  readonly #key: Uint8Array;

  constructor(database: Database, secret: string) {
    this.#database = database;
    this.#key = deriveKey(secret, "bearer-tasks/sign-in-limit/v1");
  }

  /** Count a sign-in with this address. Returns false if no more are allowed now. */
  begin(address: string): Promise<boolean> {
    return SIGN_IN_QUOTA.consume(this.#database, this.#key, address.toLowerCase());
  }

  /** Forget the failed sign-ins, because the user has proved to own the account. */
  forget(address: string): Promise<void> {
    return SIGN_IN_QUOTA.restore(this.#database, this.#key, address.toLowerCase());
  }
}

/** Return the address that a request signs in with, or null. */
function addressIn(body: unknown): string | null {
  const email = readMember(body, "email");
  return typeof email === "string" ? email : null;
}

/**
 * Limit the failed sign-ins of an account. Above the limit, the response is 429, and the password
 * is not checked. A sign-in is counted when it begins, so that concurrent sign-ins are counted,
 * too. A successful sign-in restores the quota. An address without an account also has a quota, so
 * that the response does not reveal whether the account exists.
 */
export function signInLimit(signIns: SignIns) {
  return {
    id: "sign-in-limit",
    hooks: {
      before: [
        {
          matcher: ({ path }) => path === PATH,
          handler: createAuthMiddleware(async ({ body }) => {
            const address = addressIn(body);
            if (address === null || (await signIns.begin(address))) return;
            const headers = { "X-Retry-After": String(SECONDS) };
            throw new APIError("TOO_MANY_REQUESTS", { code: "TOO_MANY_SIGN_INS" }, headers);
          }),
        },
      ],
      after: [
        {
          matcher: ({ path }) => path === PATH,
          handler: createAuthMiddleware(async ({ body, context }) => {
            const address = addressIn(body);
            if (address !== null && context.newSession) await signIns.forget(address);
          }),
        },
      ],
    },
  } satisfies BetterAuthPlugin;
}
