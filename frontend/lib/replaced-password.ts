import { APIError, type BetterAuthPlugin } from "better-auth";
import {
  createAuthEndpoint,
  createAuthMiddleware,
  sensitiveSessionMiddleware,
} from "better-auth/api";
import { setSessionCookie } from "better-auth/cookies";
import { badRequest } from "./mailed-links";
import { readMember } from "./own-sessions";

/** Far longer than a sign-in takes, in milliseconds, whichever server's clock it is. */
const RECENT_MS = 10 * 60_000;
/** Between the two dates of an account whose password was never replaced, in milliseconds, at most. */
const CREATION_TOLERANCE_MS = 100;

function wasReplacedRecently({ createdAt, updatedAt }: { createdAt: Date; updatedAt: Date }) {
  const at = updatedAt.getTime();
  return at > createdAt.getTime() + CREATION_TOLERANCE_MS && at > Date.now() - RECENT_MS;
}

/**
 * `POST /change-password` in place of Better Auth's, which reads the password, checks it for a tenth of
 * a second, and writes whatever happened meanwhile: who asked just before a reset undid it.
 *
 * Here the write and the end of the session that asked happen together, while both are as they were
 * found. A new session follows, since the old one's cookie may be what was stolen.
 *
 * Body: `currentPassword`, `newPassword`, `revokeOtherSessions` (true ends every other session).
 * 400 with `INVALID_PASSWORD`, `PASSWORD_TOO_SHORT` or `PASSWORD_TOO_LONG`, nothing being changed;
 * 401 when the session is over, or was ended meanwhile.
 */
const changePassword = createAuthEndpoint(
  "/change-password",
  { method: "POST", use: [sensitiveSessionMiddleware], requireHeaders: true },
  async (ctx) => {
    const { adapter, internalAdapter, password } = ctx.context;
    const { session, user } = ctx.context.session;
    const given = readMember(ctx.body, "currentPassword");
    const wanted = readMember(ctx.body, "newPassword");
    const { minPasswordLength: least, maxPasswordLength: most } = password.config;
    if (typeof wanted !== "string" || wanted.length < least) throw badRequest("PASSWORD_TOO_SHORT");
    if (wanted.length > most) throw badRequest("PASSWORD_TOO_LONG");
    const account = await internalAdapter.findCredentialAccount(user.id);
    const known = account?.password;
    const isRight =
      known &&
      typeof given === "string" &&
      given.length <= most &&
      (await password.verify({ hash: known, password: given }));
    if (!isRight) throw badRequest("INVALID_PASSWORD");

    const hash = await password.hash(wanted);
    const own = [
      { field: "id", value: session.id },
      { field: "userId", value: user.id },
    ];
    const unchanged = [
      { field: "id", value: account.id },
      { field: "password", value: known },
    ];
    await adapter.transaction(async (transaction) => {
      // The account before the session, as a reset does: the other way round they could wait for each other.
      const update = { password: hash };
      const written = await transaction.updateMany({ model: "account", where: unchanged, update });
      if (written === 0) throw badRequest("INVALID_PASSWORD");
      const ended = await transaction.deleteMany({ model: "session", where: own });
      if (ended === 0) throw sessionOver();
    });
    // After the password: whoever signs in with the old one meanwhile is among these, or is found below.
    if (readMember(ctx.body, "revokeOtherSessions") === true) {
      await adapter.deleteMany({ model: "session", where: [{ field: "userId", value: user.id }] });
    }
    const begun = await internalAdapter.createSession(user.id);
    // A reset writes its password before it ends the sessions: either it ends this one, or is seen here.
    if ((await internalAdapter.findCredentialAccount(user.id))?.password !== hash) {
      await internalAdapter.deleteSession(begun.token);
      throw sessionOver();
    }
    await setSessionCookie(ctx, { session: begun, user });
    return ctx.json({ status: true });
  },
);

const sessionOver = () => new APIError("UNAUTHORIZED", { code: "UNAUTHORIZED" });

/**
 * Lets nobody in, or the password be changed, by a password which was replaced meanwhile.
 *
 * A new password ends every session that there is. Checking the old one takes a tenth of a second,
 * and longer when many do: who began to sign in before would have a session after. Here the password
 * is held, once the session exists, against what is stored by then.
 */
export function replacedPassword(): BetterAuthPlugin {
  return {
    id: "replaced-password",
    // Under the name that Better Auth gives its own: that one is not served any more.
    endpoints: { changePassword },
    hooks: {
      after: [
        {
          matcher: ({ path }) => path === "/sign-in/email",
          handler: createAuthMiddleware(async (ctx) => {
            const { internalAdapter, newSession, password } = ctx.context;
            if (!newSession) return;
            const account = await internalAdapter.findCredentialAccount(newSession.user.id);
            const hash = account?.password;
            if (hash && !wasReplacedRecently(account)) return;
            if (hash && (await password.verify({ hash, password: ctx.body.password }))) return;
            await internalAdapter.deleteSession(newSession.session.token);
            throw new APIError("UNAUTHORIZED", { code: "INVALID_EMAIL_OR_PASSWORD" });
          }),
        },
      ],
    },
  };
}
