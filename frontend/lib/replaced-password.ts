import { APIError, type BetterAuthPlugin } from "better-auth";
import {
  createAuthEndpoint,
  createAuthMiddleware,
  sensitiveSessionMiddleware,
} from "better-auth/api";
import { setSessionCookie } from "better-auth/cookies";
import { badRequest } from "./mailed-links";
import { readMember } from "./own-sessions";

/**
 * Much longer than a sign-in takes, including differences between the servers' clocks, in
 * milliseconds.
 */
const RECENT_MS = 10 * 60_000;
/** The most that the two dates of a new account differ, in milliseconds. */
const CREATION_TOLERANCE_MS = 100;

function wasReplacedRecently({ createdAt, updatedAt }: { createdAt: Date; updatedAt: Date }) {
  const at = updatedAt.getTime();
  return at > createdAt.getTime() + CREATION_TOLERANCE_MS && at > Date.now() - RECENT_MS;
}

/**
 * `POST /change-password` (replaces Better Auth's, which checks the password for a tenth of a
 * second and then writes, so that a change could undo a reset that happened in between).
 *
 * The password is written and the current session deleted in one transaction, only if both are
 * unchanged. Then a new session begins, because the old cookie may have been stolen.
 *
 * Body: `currentPassword`, `newPassword`, `revokeOtherSessions` (true ends every other session).
 * 400 with `INVALID_PASSWORD`, `PASSWORD_TOO_SHORT` or `PASSWORD_TOO_LONG`, and nothing is changed;
 * 401 if the session has ended.
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
      // The account before the session, as in a reset. In another order they could deadlock.
      const update = { password: hash };
      const written = await transaction.updateMany({ model: "account", where: unchanged, update });
      if (written === 0) throw badRequest("INVALID_PASSWORD");
      const ended = await transaction.deleteMany({ model: "session", where: own });
      if (ended === 0) throw sessionOver();
    });
    // After the password: a session that began with the old one meanwhile is deleted here or found
    // below.
    if (readMember(ctx.body, "revokeOtherSessions") === true) {
      await adapter.deleteMany({ model: "session", where: [{ field: "userId", value: user.id }] });
    }
    const begun = await internalAdapter.createSession(user.id);
    // A reset writes the password before it deletes the sessions: it deletes this one, or is
    // noticed here.
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
 * Reject a sign-in with a password that was replaced while it was checked.
 *
 * A new password ends all existing sessions. Checking the old one takes a tenth of a second or
 * longer, so that a sign-in that started earlier could create a session later. Here the password is
 * checked again once the session exists.
 */
export function replacedPassword(): BetterAuthPlugin {
  return {
    id: "replaced-password",
    // The name is Better Auth's own, so that this endpoint replaces it.
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
