import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";

/** Far longer than a sign-in takes, in milliseconds, whichever server's clock it is. */
const LATELY = 10 * 60_000;
/** Between the two dates of an account whose password was never replaced, in milliseconds, at most. */
const MADE = 100;

function wasReplacedLately({ createdAt, updatedAt }: { createdAt: Date; updatedAt: Date }) {
  const at = updatedAt.getTime();
  return at > createdAt.getTime() + MADE && at > Date.now() - LATELY;
}

/**
 * Ends a session that was begun with a password which was replaced meanwhile.
 *
 * A new password ends every session that there is. Checking the old one takes a tenth of a second,
 * and longer when many do: who began to sign in before would have a session after. Here the password
 * is held, once the session exists, against what is stored by then.
 */
export function replacedPassword(): BetterAuthPlugin {
  return {
    id: "replaced-password",
    hooks: {
      after: [
        {
          matcher: ({ path }) => path === "/sign-in/email",
          handler: createAuthMiddleware(async (ctx) => {
            const { internalAdapter, newSession, password } = ctx.context;
            if (!newSession) return;
            const account = await internalAdapter.findCredentialAccount(newSession.user.id);
            const hash = account?.password;
            if (hash && !wasReplacedLately(account)) return;
            if (hash && (await password.verify({ hash, password: ctx.body.password }))) return;
            await internalAdapter.deleteSession(newSession.session.token);
            throw new APIError("UNAUTHORIZED", { code: "INVALID_EMAIL_OR_PASSWORD" });
          }),
        },
      ],
    },
  };
}
