import type { BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { isCommonPassword } from "./common-passwords";
import { badRequest } from "./mailed-links";
import { readMember } from "./own-sessions";

/** The paths that set a password, with the member of the body that has the new one. */
const NEW_PASSWORD: Readonly<Record<string, string>> = {
  "/sign-up/email": "password",
  "/change-password": "newPassword",
  "/reset-password": "newPassword",
};

function textOf(body: unknown, name: string): string {
  const value = readMember(body, name);
  return typeof value === "string" ? value : "";
}

/**
 * Reject the most common passwords before anything else happens: a reset link is not used up by
 * one.
 *
 * 400 with `PASSWORD_TOO_COMMON`. The path's own check handles passwords of a wrong length.
 */
export function passwordStrength(): BetterAuthPlugin {
  return {
    id: "password-strength",
    hooks: {
      before: [
        {
          matcher: ({ path }) => path !== undefined && path in NEW_PASSWORD,
          handler: createAuthMiddleware((ctx) => {
            const { minPasswordLength: least, maxPasswordLength: most } =
              ctx.context.password.config;
            const wanted = textOf(ctx.body, NEW_PASSWORD[ctx.path] ?? "");
            const hasLength = wanted.length >= least && wanted.length <= most;
            if (hasLength && isCommonPassword(wanted, textOf(ctx.body, "email"))) {
              throw badRequest("PASSWORD_TOO_COMMON");
            }
            return Promise.resolve();
          }),
        },
      ],
    },
  };
}
