import { createHash, randomBytes } from "node:crypto";
import { APIError, type AuthContext } from "better-auth";
import * as z from "zod";
import type { Database } from "./database";
import { deriveKey } from "./keys";
import { sendMail } from "./mail";
import { consumeMailQuota } from "./mail-limit";

/** Milliseconds that a link works. */
export const LINK_LIFETIME_MS = 60 * 60_000;

/** What a link is for, and whose it is: the account with this id, while this is its address. */
const Link = z.object({
  userId: z.string(),
  purpose: z.enum(["password", "email"]),
  address: z.string(),
  /** The digest of the password's hash while which it is good; null when any will do. */
  password: z.string().nullable(),
  /** For a new address: which. */
  to: z.string().nullable(),
});

export type Link = z.infer<typeof Link>;
type Purpose = Link["purpose"];
type Adapter = Pick<AuthContext["internalAdapter"], "findVerificationValue">;

export const digest = (text: string) => createHash("sha256").update(text).digest("base64url");

/** Whoever reads the database finds no link in it. */
const identifierOf = (purpose: Purpose, token: string) => `link:${purpose}:${digest(token)}`;

export const badRequest = (code: string) => new APIError("BAD_REQUEST", { code });

/** The token of a new link. It is nothing but chance: no secret of this app makes one. */
export async function createLink({ internalAdapter }: AuthContext, link: Link): Promise<string> {
  const token = randomBytes(24).toString("base64url");
  await internalAdapter.createVerificationValue({
    identifier: identifierOf(link.purpose, token),
    value: JSON.stringify(link),
    expiresAt: new Date(Date.now() + LINK_LIFETIME_MS),
  });
  return token;
}

/** What a link stands for, if it may still be good. */
export async function findLink(
  internalAdapter: Adapter,
  purpose: Purpose,
  token: string,
): Promise<Link | null> {
  const found = await internalAdapter.findVerificationValue(identifierOf(purpose, token));
  return found && found.expiresAt > new Date() ? Link.parse(JSON.parse(found.value)) : null;
}

/**
 * The same, once: nobody can use the link after.
 *
 * @throws 400 `INVALID_TOKEN` for what is none, or no longer.
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

/** Every link of somebody's, or those of one purpose. */
export function linksFilter(userId: string, purpose?: Purpose) {
  const start = purpose === undefined ? { userId } : { userId, purpose };
  const value = { field: "value", operator: "starts_with" as const };
  return {
    model: "verification",
    // As JSON.stringify writes the members of a link, in their order.
    where: [{ ...value, value: JSON.stringify(start).slice(0, -1) }],
  };
}

/** What a mail is about. Each kind has a limit of its own: a stranger's wishes never use up a warning. */
type MailKind = "new password" | "confirm address" | "address changed";

/**
 * Sends a mail of the paragraphs that it is then given, unless its recipient was sent too many of that
 * kind lately. It is not waited for: what becomes of it, and how long that takes, would tell something
 * to whoever asked.
 */
export type MailLater = (
  kind: MailKind,
  to: string,
  subject: string,
  paragraphs: () => readonly string[] | Promise<readonly string[]>,
) => void;

/** Sends mails within the limits of their recipients, which all processes on this database share. */
export function createMailer(database: Database, secret: string): MailLater {
  const key = deriveKey(secret, "bearer-tasks/mail-limit/v1");
  return (kind, to, subject, paragraphs) => {
    async function send(): Promise<void> {
      if (!(await consumeMailQuota(database, key, kind, to))) {
        console.info("frontend: a mail was left out, since its recipient had too many lately");
        return;
      }
      await sendMail({ to, subject, text: (await paragraphs()).join("\n\n") });
    }
    send().catch((error: unknown) => {
      console.error("frontend: a mail could not go out:", error);
    });
  };
}
