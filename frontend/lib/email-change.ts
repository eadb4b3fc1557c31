import { createHash, randomBytes } from "node:crypto";
import { APIError, type BetterAuthPlugin } from "better-auth";
import { createAuthEndpoint, sensitiveSessionMiddleware } from "better-auth/api";
import { DatabaseError } from "pg";
import * as z from "zod";
import { sendMail } from "./mail";
import { member } from "./own-sessions";
import { resetLinksOf } from "./password-reset";

/** Milliseconds that a link works. */
const LINK_LIFE = 60 * 60_000;

const UNIQUE_VIOLATION = "23505";

/** What a link stands for: under whose password it was asked for, and which address follows which. */
const Proposal = z.object({
  userId: z.string(),
  from: z.string(),
  to: z.string(),
  password: z.string(),
});

export const proposalIn = (value: string) => Proposal.parse(JSON.parse(value));

const digest = (text: string) => createHash("sha256").update(text).digest("base64url");

/** Whoever reads the database finds no link in it. */
export const identifierOf = (token: string) => `confirm-email:${digest(token)}`;

const refused = (code: string) => new APIError("BAD_REQUEST", { code });

/**
 * `POST /request-email`: mails a link to an address that shall be one's own. To the one that the
 * account has already it is sent for the asking; another one costs the password. Nobody learns whether
 * there is an account with that address.
 *
 * Body: `email`, `password`. 400 with `INVALID_EMAIL` or `INVALID_PASSWORD`; 401 without a session.
 */
function requestEmail(baseUrl: string) {
  return createAuthEndpoint(
    "/request-email",
    { method: "POST", use: [sensitiveSessionMiddleware], requireHeaders: true },
    async (ctx) => {
      const { internalAdapter, password } = ctx.context;
      const { user } = ctx.context.session;
      const wanted = z.email().max(255).toLowerCase().safeParse(member(ctx.body, "email"));
      if (!wanted.success) throw refused("INVALID_EMAIL");
      const known = (await internalAdapter.findCredentialAccount(user.id))?.password;
      const given = member(ctx.body, "password");
      if (!known) throw refused("INVALID_PASSWORD");
      if (wanted.data !== user.email) {
        const isText =
          typeof given === "string" && given.length <= password.config.maxPasswordLength;
        const isRight = isText && (await password.verify({ hash: known, password: given }));
        if (!isRight) throw refused("INVALID_PASSWORD");
      }
      const token = randomBytes(24).toString("base64url");
      const proposal = { userId: user.id, from: user.email, to: wanted.data };
      await internalAdapter.createVerificationValue({
        identifier: identifierOf(token),
        value: JSON.stringify({ ...proposal, password: digest(known) }),
        expiresAt: new Date(Date.now() + LINK_LIFE),
      });
      // Not waited for, as with a link for a new password.
      void mail(wanted.data, "Confirm your address", [
        "Open this link within an hour to sign in to Bearer Tasks with this address from then on:",
        `${baseUrl}/confirm-email?${new URLSearchParams({ token })}`,
        "If you did not ask for it, do nothing.",
      ]);
      return ctx.json({ status: true });
    },
  );
}

/**
 * `POST /confirm-email`: the address that a link was sent to is the account's from then on. Each link
 * works once, and only while the account has the address and the password that it had when the link
 * was asked for: who changes a password because somebody else knew it ends that one's links, too.
 *
 * Body: `token`. 400 with `INVALID_TOKEN`, or `USER_ALREADY_EXISTS` when somebody else has the address.
 */
const confirmEmail = createAuthEndpoint("/confirm-email", { method: "POST" }, async (ctx) => {
  const { adapter, internalAdapter } = ctx.context;
  const token = member(ctx.body, "token");
  if (typeof token !== "string") throw refused("INVALID_TOKEN");
  const found = await internalAdapter.consumeVerificationValue(identifierOf(token));
  if (!found || found.expiresAt <= new Date()) throw refused("INVALID_TOKEN");
  const { userId, from, to, password } = proposalIn(found.value);
  const account = await internalAdapter.findCredentialAccount(userId);
  const known = account?.password;
  if (!known || digest(known) !== password) throw refused("INVALID_TOKEN");
  const unchanged = [
    { field: "id", value: account.id },
    { field: "password", value: known },
  ];
  const owner = [
    { field: "id", value: userId },
    { field: "email", value: from },
  ];
  try {
    await adapter.transaction(async (together) => {
      // Holds the password as it is until the address is written.
      const update = { password: known };
      const held = await together.updateMany({ model: "account", where: unchanged, update });
      const confirmed = { email: to, emailVerified: true };
      const written =
        held && (await together.updateMany({ model: "user", where: owner, update: confirmed }));
      if (!written) throw refused("INVALID_TOKEN");
    });
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === UNIQUE_VIOLATION)) throw error;
    throw refused("USER_ALREADY_EXISTS");
  }
  if (from !== to) {
    // Those that went to the address before: its mail may be why it was changed.
    await adapter.deleteMany(resetLinksOf(userId));
    void mail(from, "Your address was changed", [
      `You sign in to Bearer Tasks as ${to} from now on.`,
      "If it was not you, somebody else knows your password: tell whoever runs this app.",
    ]);
  }
  return ctx.json({ status: true });
});

/** One's e-mail address, confirmed and changed by a link that is sent to it. */
export function emailChange(baseUrl: string) {
  return {
    id: "email-change",
    endpoints: { requestEmail: requestEmail(baseUrl), confirmEmail },
    rateLimit: [
      { pathMatcher: (path) => path === "/request-email", window: 60, max: 3 },
      { pathMatcher: (path) => path === "/confirm-email", window: 10, max: 3 },
    ],
  } satisfies BetterAuthPlugin;
}

async function mail(to: string, subject: string, text: string[]): Promise<void> {
  try {
    await sendMail({ to, subject, text: text.join("\n\n") });
  } catch (error) {
    console.error("frontend: a mail about an address could not go out:", error);
  }
}
