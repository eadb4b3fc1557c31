import type { BetterAuthPlugin } from "better-auth";
import { createAuthEndpoint } from "better-auth/api";
import * as z from "zod";
import { badRequest, consumeLink, createLink, linksFilter, type MailLater } from "./mailed-links";
import { noteRevocation } from "./outbox";
import { readMember } from "./own-sessions";
import type { SignIns } from "./sign-in-limit";

const ACCEPTED = { status: true };

/**
 * `POST /request-password-reset` (replaces Better Auth's): mail a link to choose a new password.
 * The response is the same, and as fast, for unknown addresses and for exhausted mail quotas. The
 * link is created after the response.
 *
 * Body: `email`. 400 with `INVALID_EMAIL`.
 */
function requestPasswordReset(baseUrl: string, mailLater: MailLater) {
  return createAuthEndpoint("/request-password-reset", { method: "POST" }, async (ctx) => {
    const { internalAdapter } = ctx.context;
    const given = z.email().max(255).toLowerCase().safeParse(readMember(ctx.body, "email"));
    if (!given.success) throw badRequest("INVALID_EMAIL");
    const address = given.data;
    const found = await internalAdapter.findUserByEmail(address);
    if (found) {
      const link = { userId: found.user.id, purpose: "password" as const, address };
      mailLater("new password", address, "Choose a new password", async () => {
        const token = await createLink(ctx.context, { ...link, password: null, to: null });
        return [
          "Open this link within one hour to choose a new password for Bearer Tasks:",
          `${baseUrl}/reset-password?${new URLSearchParams({ token })}`,
          "If you did not request it, ignore this email: your password does not change.",
        ];
      });
    }
    return ctx.json(ACCEPTED);
  });
}

/**
 * `POST /reset-password` (replaces Better Auth's, which writes the password even if the address was
 * changed after the link was looked up).
 *
 * The password is written only while the account has the address that the link was sent to. All
 * sessions, and all other links of this kind, end with it. Failed sign-ins are forgotten.
 *
 * Body: `token`, `newPassword`. 400 with `INVALID_TOKEN`, `PASSWORD_TOO_SHORT` or
 * `PASSWORD_TOO_LONG`.
 */
const resetPassword = (signIns: SignIns) =>
  createAuthEndpoint("/reset-password", { method: "POST" }, async (ctx) => {
    const { adapter, internalAdapter, password } = ctx.context;
    const wanted = readMember(ctx.body, "newPassword");
    const { minPasswordLength: least, maxPasswordLength: most } = password.config;
    if (typeof wanted !== "string" || wanted.length < least) throw badRequest("PASSWORD_TOO_SHORT");
    if (wanted.length > most) throw badRequest("PASSWORD_TOO_LONG");
    const { userId, address } = await consumeLink(
      ctx.context,
      "password",
      readMember(ctx.body, "token"),
    );
    const account = await internalAdapter.findCredentialAccount(userId);
    if (!account) throw badRequest("INVALID_TOKEN");
    const hash = await password.hash(wanted);
    const ofUser = [{ field: "userId", value: userId }];
    await adapter.transaction(async (transaction) => {
      const own = [{ field: "id", value: account.id }];
      await transaction.updateMany({ model: "account", where: own, update: { password: hash } });
      const holder = [
        { field: "id", value: userId },
        { field: "email", value: address },
      ];
      const update = { email: address };
      const held = await transaction.updateMany({ model: "user", where: holder, update });
      if (!held) throw badRequest("INVALID_TOKEN");
      await transaction.deleteMany({ model: "session", where: ofUser });
      await transaction.deleteMany(linksFilter(userId, "password"));
    });
    // Also delete sessions that began before the new password was visible. Later ones are checked
    // against it.
    await adapter.deleteMany({ model: "session", where: ofUser });
    noteRevocation(userId);
    await signIns.forget(address);
    return ctx.json({ status: true });
  });

/** A new password by a mailed link. */
export function passwordReset(baseUrl: string, mailLater: MailLater, signIns: SignIns) {
  return {
    id: "password-reset",
    // The names are Better Auth's own, so that these endpoints replace them.
    endpoints: {
      requestPasswordReset: requestPasswordReset(baseUrl, mailLater),
      resetPassword: resetPassword(signIns),
    },
  } satisfies BetterAuthPlugin;
}
