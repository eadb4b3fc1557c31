import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthEndpoint, sensitiveSessionMiddleware } from "better-auth/api";
import { DatabaseError } from "pg";
import * as z from "zod";
import {
  badRequest,
  consumeLink,
  createLink,
  digest,
  LINK_LIFETIME_MS,
  linksFilter,
  type MailLater,
} from "./mailed-links";
import { readMember } from "./own-sessions";

/** The links that a person may request within the lifetime of one. */
const MAX_LINKS = 5;

const UNIQUE_VIOLATION = "23505";

/**
 * `POST /request-email`: mail a link that confirms an address. For a new address the password is
 * required. The response does not tell whether the address has an account.
 *
 * Body: `email`, `password`. 400 with `INVALID_EMAIL` or `INVALID_PASSWORD`; 401 without a session;
 * 429 after five links in an hour.
 */
function requestEmail(baseUrl: string, mailLater: MailLater) {
  return createAuthEndpoint(
    "/request-email",
    { method: "POST", use: [sensitiveSessionMiddleware], requireHeaders: true },
    async (ctx) => {
      const { adapter, internalAdapter, password } = ctx.context;
      const { user } = ctx.context.session;
      const wanted = z.email().max(255).toLowerCase().safeParse(readMember(ctx.body, "email"));
      if (!wanted.success) throw badRequest("INVALID_EMAIL");
      const known = (await internalAdapter.findCredentialAccount(user.id))?.password;
      if (!known) throw badRequest("INVALID_PASSWORD");
      if (wanted.data !== user.email) {
        const given = readMember(ctx.body, "password");
        const isText =
          typeof given === "string" && given.length <= password.config.maxPasswordLength;
        const isRight = isText && (await password.verify({ hash: known, password: given }));
        if (!isRight) throw badRequest("INVALID_PASSWORD");
      }
      const { model, where } = linksFilter(user.id, "email");
      const since = new Date(Date.now() - LINK_LIFETIME_MS);
      const isRecent = { field: "createdAt", operator: "gt" as const, value: since };
      if ((await adapter.count({ model, where: [...where, isRecent] })) >= MAX_LINKS) {
        throw new APIError("TOO_MANY_REQUESTS");
      }
      const token = await createLink(ctx.context, {
        userId: user.id,
        purpose: "email",
        address: user.email,
        password: digest(known),
        to: wanted.data,
      });
      // The mail names the sender's address, not the name: a name could contain any message to a
      // stranger.
      mailLater("confirm address", wanted.data, "Confirm your address", () => [
        `Someone who signs in to Bearer Tasks as ${user.email} asked to use this email address. If this was you, open this link within one hour:`,
        `${baseUrl}/confirm-email?${new URLSearchParams({ token })}`,
        "If it was not you, ignore this email.",
      ]);
      return ctx.json({ status: true });
    },
  );
}

/**
 * `POST /confirm-email`: make the address that the link was sent to the account's address. A link
 * works once, and only while the account still has the address and the password that it had when
 * the link was requested. So changing a stolen password also invalidates the thief's links.
 *
 * Body: `token`. 400 with `INVALID_TOKEN`, or `USER_ALREADY_EXISTS` if another account has the
 * address.
 */
const confirmEmail = (mailLater: MailLater) =>
  createAuthEndpoint("/confirm-email", { method: "POST" }, async (ctx) => {
    const { adapter, internalAdapter } = ctx.context;
    const { userId, address, password, to } = await consumeLink(
      ctx.context,
      "email",
      readMember(ctx.body, "token"),
    );
    const account = await internalAdapter.findCredentialAccount(userId);
    const known = account?.password;
    if (!(known && to) || digest(known) !== password) throw badRequest("INVALID_TOKEN");
    const unchanged = [
      { field: "id", value: account.id },
      { field: "password", value: known },
    ];
    const holder = [
      { field: "id", value: userId },
      { field: "email", value: address },
    ];
    const update = { email: to, emailVerified: true };
    try {
      await adapter.transaction(async (transaction) => {
        // Locks the row with the password until the address is written. A concurrent reset waits
        // and then finds another address.
        const same = { password: known };
        const held = await transaction.updateMany({
          model: "account",
          where: unchanged,
          update: same,
        });
        const written =
          held && (await transaction.updateMany({ model: "user", where: holder, update }));
        if (!written) throw badRequest("INVALID_TOKEN");
      });
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === UNIQUE_VIOLATION)) throw error;
      throw badRequest("USER_ALREADY_EXISTS");
    }
    if (address !== to) {
      mailLater("address changed", address, "Your address was changed", () => [
        "From now on you sign in to Bearer Tasks with another address.",
        "If it was not you, somebody else knows your password: contact the administrator of this app.",
      ]);
    }
    return ctx.json({ status: true });
  });

/** Confirm and change the email address by a mailed link. */
export function emailChange(baseUrl: string, mailLater: MailLater) {
  return {
    id: "email-change",
    endpoints: {
      requestEmail: requestEmail(baseUrl, mailLater),
      confirmEmail: confirmEmail(mailLater),
    },
    rateLimit: [
      { pathMatcher: (path) => path === "/request-email", window: 60, max: 3 },
      { pathMatcher: (path) => path === "/confirm-email", window: 10, max: 3 },
    ],
  } satisfies BetterAuthPlugin;
}
