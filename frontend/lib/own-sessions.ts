import { APIError, type BetterAuthPlugin } from "better-auth";
import {
  createAuthEndpoint,
  createAuthMiddleware,
  sensitiveSessionMiddleware,
} from "better-auth/api";

/**
 * Better Auth's own endpoints for sessions. They identify a session by its token, which no page may
 * see, or delete many sessions one by one.
 */
export const REPLACED_PATHS = [
  "/list-sessions",
  "/revoke-session",
  "/revoke-sessions",
  "/revoke-other-sessions",
  "/update-session",
];

/** An endpoint for servers that answers everybody: it could be used to guess a password. */
export const SERVER_PATHS = ["/verify-password"];

/**
 * Paths whose responses contain the session token, for programs without cookies. Pages do not need
 * it.
 */
const TOKEN_PATHS: ReadonlySet<string> = new Set([
  "/get-session",
  "/sign-in/email",
  "/sign-up/email",
]);

/** Paths that check or hash a password. */
const PASSWORD_PATHS: ReadonlySet<string> = new Set(["/delete-user", "/reset-password"]);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** Return a member of a request body, if the body is an object. */
export function readMember(value: unknown, name: string): unknown {
  return isObject(value) ? Reflect.get(value, name) : undefined;
}

/** Return the response without the session token. */
function withoutToken(answer: object): object {
  const { token: _, ...rest }: { token?: unknown } = answer;
  const session = readMember(rest, "session");
  return isObject(session) ? { ...rest, session: withoutToken(session) } : rest;
}

/**
 * Endpoints for a person's own sessions, which are identified by id, and a hook that removes
 * session tokens from all responses.
 *
 * Each endpoint is one statement, however many sessions there are. The outbox is filled by triggers
 * on the table, not by Better Auth's hooks.
 */
export function ownSessions() {
  return {
    id: "own-sessions",
    endpoints: {
      /** Delete one of the caller's sessions. The id of another person's session has no effect. */
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
      /** Delete all sessions of the caller except the current one. */
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
          // Better Auth would allow a session younger than 24 hours to delete the account without
          // the password.
          matcher: ({ path, body }) => path === "/delete-user" && !readMember(body, "password"),
          handler: createAuthMiddleware(() => {
            throw new APIError("BAD_REQUEST", { code: "INVALID_PASSWORD" });
          }),
        },
      ],
      after: [
        {
          // Calls from this server's own pages have no request and may read the token.
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

/** One of a person's sessions, as the person may see it. */
export type OwnSession = {
  id: string;
  createdAt: Date;
  /** When it was last extended: at most once a day. */
  updatedAt: Date;
  ipAddress: string | null;
  userAgent: string | null;
};
