import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { leavesApp } from "./next-path";

/** The parameters by which a link or a page says where Better Auth shall send the browser next. */
const NAMES = ["callbackURL", "errorCallbackURL", "newUserCallbackURL", "redirectTo"];

/**
 * Refuses paths that would lead to another site. Better Auth takes every path for one of its own
 * app, and `/.//host` leaves it as `//host`. Whole addresses it holds against the trusted origins.
 */
export function callbackPaths(): BetterAuthPlugin {
  return {
    id: "callback-paths",
    hooks: {
      before: [
        {
          matcher: ({ query, body }) =>
            NAMES.some((name) => leavesApp(query?.[name]) || leavesApp(body?.[name])),
          handler: createAuthMiddleware(() => {
            throw new APIError("FORBIDDEN", { code: "INVALID_CALLBACK_URL" });
          }),
        },
      ],
    },
  };
}
