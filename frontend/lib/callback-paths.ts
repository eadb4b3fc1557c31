import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { leavesApp } from "./next-path";

/** Parameters with the address to which Better Auth redirects the browser. */
const NAMES = ["callbackURL", "errorCallbackURL", "newUserCallbackURL", "redirectTo"];

/**
 * Reject redirect paths that lead to another site. Better Auth accepts every path as one of its own
 * app, but `/.//host` becomes `//host`. It compares absolute URLs with the trusted origins itself.
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
