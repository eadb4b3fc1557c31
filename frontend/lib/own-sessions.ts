import { APIError, type BetterAuthPlugin } from "better-auth";
import {
  createAuthEndpoint,
  createAuthMiddleware,
  sensitiveSessionMiddleware,
} from "better-auth/api";

/**
 * Better Auth's own ways to see and end sessions. They name one by its token, which no page should ever
 * see, or end many one after the other.
 */
export const REPLACED_PATHS = [
  "/list-sessions",
  "/revoke-session",
  "/revoke-sessions",
  "/revoke-other-sessions",
  "/update-session",
];

/** Better Auth means it for servers, and answers whoever asks: a way to guess a password. */
export const SERVER_PATHS = ["/verify-password"];

/** Answers that hold the session's token, for programs that cannot keep cookies. Pages can. */
const TOKEN_PATHS: ReadonlySet<string> = new Set([
  "/get-session",
  "/sign-in/email",
  "/sign-up/email",
]);

/** Where a guessed password is told from the right one, and where one is hashed. */
const PASSWORD_PATHS: ReadonlySet<string> = new Set(["/delete-user", "/reset-password"]);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** What a caller gave under this name, if it gave an object. */
export function readMember(value: unknown, name: string): unknown {
  return isObject(value) ? Reflect.get(value, name) : undefined;
}

/** The answer as a page may read it. */
function withoutToken(answer: object): object {
  const { token: _, ...rest }: { token?: unknown } = answer;
  const session = readMember(rest, "session");
  return isObject(session) ? { ...rest, session: withoutToken(session) } : rest;
}

/**
 * What a person does with their own sessions, by the sessions' ids; and no session's token in any
 * answer that a page's script can read.
 *
 * Sessions end by one statement each, however many there are; what follows from an end (the outbox)
 * hangs on the table and not on Better Auth's hooks.
 */
export function ownSessions() {
  return {
    id: "own-sessions",
    endpoints: {
      /** Ends one of the caller's sessions. Another's id does what a missing one does: nothing. */
      endSession: createAuthEndpoint(
        "/end-session",
        { method: "POST", use: [sensitiveSessionMiddleware], requireHeaders: true },
        async (ctx) => {
          const id = readMember(ctx.body, "id");
          if (typeof id !== "string")
            throw new APIError("BAD_REQUEST", { message: "id is missing" });
          await ctx.context.adapter.deleteMany({
            model: "session",
            where: [
              { field: "id", value: id },
              { field: "userId", value: ctx.context.session.user.id },
            ],
          });
          return ctx.json({ status: true });
        },
      ),
      /** Ends every session of the caller but the one that asks. */
      endOtherSessions: createAuthEndpoint(
        "/end-other-sessions",
        { method: "POST", use: [sensitiveSessionMiddleware], requireHeaders: true },
        async (ctx) => {
          const { session, user } = ctx.context.session;
          await ctx.context.adapter.deleteMany({
            model: "session",
            where: [
              { field: "userId", value: user.id },
              { field: "id", operator: "ne", value: session.id },
            ],
          });
          return ctx.json({ status: true });
        },
      ),
    },
    hooks: {
      before: [
        {
          // Better Auth would let a session of the last 24 hours delete the account without it.
          matcher: ({ path, body }) => path === "/delete-user" && !readMember(body, "password"),
          handler: createAuthMiddleware(() => {
            throw new APIError("BAD_REQUEST", { code: "INVALID_PASSWORD" });
          }),
        },
      ],
      after: [
        {
          // Calls of this server's own pages carry no request, and may know it.
          matcher: ({ path, request }) => request !== undefined && TOKEN_PATHS.has(path ?? ""),
          handler: createAuthMiddleware(async (ctx) => {
            const { returned } = ctx.context;
            if (isObject(returned) && !(returned instanceof Error)) {
              return await ctx.json(withoutToken(returned));
            }
          }),
        },
      ],
    },
    rateLimit: [{ pathMatcher: (path) => PASSWORD_PATHS.has(path), window: 10, max: 3 }],
  } satisfies BetterAuthPlugin;
}

/** One of a person's sessions, as they may see it. */
export type OwnSession = {
  id: string;
  createdAt: Date;
  /** When it was last extended: at most once a day, while it is used. */
  updatedAt: Date;
  ipAddress: string | null;
  userAgent: string | null;
};
