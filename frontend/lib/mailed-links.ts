import { createHash, randomBytes } from "node:crypto";
import { APIError, type AuthContext } from "better-auth";
import * as z from "zod";
import type { Database } from "./database";
import { deriveKey } from "./keys";
import { sendMail } from "./mail";
import { consumeMailQuota } from "./mail-limit";

/** The milliseconds that a link works. */
export const LINK_LIFETIME_MS = 60 * 60_000;

/** What a link does, and for which account. It works only while the account has this address. */
const Link = z.object({
  userId: z.string(),
  purpose: z.enum(["password", "email"]),
  address: z.string(),
  /** The digest of the password hash that the account must still have; null if any will do. */
  password: z.string().nullable(),
  /** The new address of the account, for a link that changes it. */
  to: z.string().nullable(),
});

export type Link = z.infer<typeof Link>;
type Purpose = Link["purpose"];
type Adapter = Pick<AuthContext["internalAdapter"], "findVerificationValue">;

export const digest = (text: string) => createHash("sha256").update(text).digest("base64url");

/** The database stores only a digest of the token, so that its content makes no links. */
const identifierOf = (purpose: Purpose, token: string) => `link:${purpose}:${digest(token)}`;

export const badRequest = (code: string) => new APIError("BAD_REQUEST", { code });

/** Create a link and return its token. The token is random, not derived from a secret. */
export async function createLink({ internalAdapter }: AuthContext, link: Link): Promise<string> {
  const token = randomBytes(24).toString("base64url");
  await internalAdapter.createVerificationValue({
    identifier: identifierOf(link.purpose, token),
    value: JSON.stringify(link),
    expiresAt: new Date(Date.now() + LINK_LIFETIME_MS),
  });
  return token;
}

/** Return what a link does, or null if it does not exist or has expired. */
export async function findLink(
  internalAdapter: Adapter,
  purpose: Purpose,
  token: string,
): Promise<Link | null> {
  const found = await internalAdapter.findVerificationValue(identifierOf(purpose, token));
  return found && found.expiresAt > new Date() ? Link.parse(JSON.parse(found.value)) : null;
}

/**
 * Use a link: it does not work again.
 *
 * @throws 400 `INVALID_TOKEN` if it does not exist or has expired.
 */
export async function consumeLink(
  { internalAdapter }: AuthContext,
  purpose: Purpose,
  token: unknown,
): Promise<Link> {
  if (typeof token !== "string") throw badRequest("INVALID_TOKEN");
  const found = await internalAdapter.consumeVerificationValue(identifierOf(purpose, token));
  if (!found || found.expiresAt <= new Date()) throw badRequest("INVALID_TOKEN");
  return Link.parse(JSON.parse(found.value));
}

/** Return the filter for all links of a person, or for those of one purpose. */
export function linksFilter(userId: string, purpose?: Purpose) {
  const start = purpose === undefined ? { userId } : { userId, purpose };
  const value = { field: "value", operator: "starts_with" as const };
  return {
    model: "verification",
    // Matches what JSON.stringify writes for a link, with the members in this order.
    where: [{ ...value, value: JSON.stringify(start).slice(0, -1) }],
  };
}

/**
 * The kinds of mails. Each has its own limit, so that requested mails never use up the quota of
 * warnings.
 */
type MailKind = "new password" | "confirm address" | "address changed";

/**
 * Send a mail with these paragraphs in the background, unless the recipient's quota is used up. The
 * caller does not wait: the result and its duration would tell whether an account exists.
 */
export type MailLater = (
  kind: MailKind,
  to: string,
  subject: string,
  paragraphs: () => readonly string[] | Promise<readonly string[]>,
) => void;

/**
 * Return a function that sends mails within the quotas, which all processes on this database share.
 */
export function createMailer(database: Database, secret: string): MailLater {
  const key = deriveKey(secret, "bearer-tasks/mail-limit/v1");
  return (kind, to, subject, paragraphs) => {
    async function send(): Promise<void> {
      if (!(await consumeMailQuota(database, key, kind, to))) {
        console.info(
          "frontend: a mail was not sent, because the quota of its recipient is used up",
        );
        return;
      }
      await sendMail({ to, subject, text: (await paragraphs()).join("\n\n") });
    }
    send().catch((error: unknown) => {
      console.error("frontend: a mail could not be sent:", error);
    });
  };
}
