import { createHash, randomBytes } from "node:crypto";
import { APIError, type AuthContext } from "better-auth";
import * as z from "zod";
import { sendMail } from "./mail";

/** Milliseconds that a link works. */
export const LINK_LIFE = 60 * 60_000;

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

export const refused = (code: string) => new APIError("BAD_REQUEST", { code });

/** The token of a new link. It is nothing but chance: no secret of this app makes one. */
export async function createLink({ internalAdapter }: AuthContext, link: Link): Promise<string> {
  const token = randomBytes(24).toString("base64url");
  await internalAdapter.createVerificationValue({
    identifier: identifierOf(link.purpose, token),
    value: JSON.stringify(link),
    expiresAt: new Date(Date.now() + LINK_LIFE),
  });
  return token;
}

/** What a link stands for, if it may still be good. */
export async function linkOf(
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
export async function spendLink(
  { internalAdapter }: AuthContext,
  purpose: Purpose,
  token: unknown,
): Promise<Link> {
  if (typeof token !== "string") throw refused("INVALID_TOKEN");
  const found = await internalAdapter.consumeVerificationValue(identifierOf(purpose, token));
  if (!found || found.expiresAt <= new Date()) throw refused("INVALID_TOKEN");
  return Link.parse(JSON.parse(found.value));
}

/** Every link of somebody's, or those of one purpose. */
export function linksOf(userId: string, purpose?: Purpose) {
  const start = purpose === undefined ? { userId } : { userId, purpose };
  const value = { field: "value", operator: "starts_with" as const };
  return {
    model: "verification",
    // As JSON.stringify writes the members of a link, in their order.
    where: [{ ...value, value: JSON.stringify(start).slice(0, -1) }],
  };
}

/** Not waited for: how long a mail takes would tell what became of a request. */
export function mailLater(to: string, subject: string, paragraphs: readonly string[]): void {
  sendMail({ to, subject, text: paragraphs.join("\n\n") }).catch((error: unknown) => {
    console.error("frontend: a mail could not go out:", error);
  });
}
