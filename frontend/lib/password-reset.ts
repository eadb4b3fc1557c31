import type { BetterAuthPlugin } from "better-auth";
import { createAuthEndpoint } from "better-auth/api";
import * as z from "zod";
import { createLink, linksOf, mailLater, refused, spendLink } from "./mailed-links";
import { noteEnding } from "./outbox";
import { member } from "./own-sessions";

const ON_ITS_WAY = { status: true };

/**
 * `POST /request-password-reset` in place of Better Auth's: mails a link to choose a new password with.
 * Says the same, and takes as long, for an address that nobody has.
 *
 * Body: `email`. 400 with `INVALID_EMAIL`.
 */
function requestPasswordReset(baseUrl: string) {
  return createAuthEndpoint("/request-password-reset", { method: "POST" }, async (ctx) => {
    const { internalAdapter } = ctx.context;
    const given = z.email().max(255).toLowerCase().safeParse(member(ctx.body, "email"));
    if (!given.success) throw refused("INVALID_EMAIL");
    const address = given.data;
    const found = await internalAdapter.findUserByEmail(address);
    if (!found) {
      await internalAdapter.findVerificationValue("nobody's");
      return ctx.json(ON_ITS_WAY);
    }
    const link = { userId: found.user.id, purpose: "password" as const, address };
    const token = await createLink(ctx.context, { ...link, password: null, to: null });
    mailLater(address, "Choose a new password", [
      "Open this link within an hour to choose a new password for Bearer Tasks:",
      `${baseUrl}/reset-password?${new URLSearchParams({ token })}`,
      "If you did not ask for it, do nothing: your password stays as it is.",
    ]);
    return ctx.json(ON_ITS_WAY);
  });
}

/**
 * `POST /reset-password` in place of Better Auth's, which writes the password whatever happened since
 * the link was looked up: it went through when the address was changed meanwhile, because somebody
 * else reads that address's mail.
 *
 * Here the password is written while the account still has the address that the link went to, and
 * every session, and every other such link, ends with it.
 *
 * Body: `token`, `newPassword`. 400 with `INVALID_TOKEN`, `PASSWORD_TOO_SHORT` or `PASSWORD_TOO_LONG`.
 */
const resetPassword = createAuthEndpoint("/reset-password", { method: "POST" }, async (ctx) => {
  const { adapter, internalAdapter, password } = ctx.context;
  const wanted = member(ctx.body, "newPassword");
  const { minPasswordLength: least, maxPasswordLength: most } = password.config;
  if (typeof wanted !== "string" || wanted.length < least) throw refused("PASSWORD_TOO_SHORT");
  if (wanted.length > most) throw refused("PASSWORD_TOO_LONG");
  const { userId, address } = await spendLink(ctx.context, "password", member(ctx.body, "token"));
  const account = await internalAdapter.findCredentialAccount(userId);
  if (!account) throw refused("INVALID_TOKEN");
  const hash = await password.hash(wanted);
  const ofUser = [{ field: "userId", value: userId }];
  await adapter.transaction(async (together) => {
    const own = [{ field: "id", value: account.id }];
    await together.updateMany({ model: "account", where: own, update: { password: hash } });
    const holder = [
      { field: "id", value: userId },
      { field: "email", value: address },
    ];
    const update = { email: address };
    const held = await together.updateMany({ model: "user", where: holder, update });
    if (!held) throw refused("INVALID_TOKEN");
    await together.deleteMany({ model: "session", where: ofUser });
    await together.deleteMany(linksOf(userId, "password"));
  });
  // And those that began before the new password could be seen: what begins now is held against it.
  await adapter.deleteMany({ model: "session", where: ofUser });
  noteEnding(userId);
  return ctx.json({ status: true });
});

/** A new password by a link that is mailed. */
export function passwordReset(baseUrl: string) {
  return {
    id: "password-reset",
    // Under the names that Better Auth gives its own: those are not served any more.
    endpoints: { requestPasswordReset: requestPasswordReset(baseUrl), resetPassword },
  } satisfies BetterAuthPlugin;
}
