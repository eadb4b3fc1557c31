import type { Database } from "./database";
import { Quota } from "./quota";

/**
 * Each recipient may get 3 mails of a kind, and one more every hour: at most 26 in a day. There is
 * no smaller daily limit, because a stranger who requests links for somebody could use it up. As a
 * link works for an hour, the person always has a valid link or can get one.
 */
export const MAIL_QUOTA = new Quota({
  table: "mail_limit",
  counted: "Who was sent mail lately: keyed hashes of a kind of mail and an address",
  most: 3,
  seconds: 60 * 60,
});

/**
 * Return the mailbox of an address, as most mail servers read it: case-insensitive, without a
 * suffix after `+`, and at Gmail without dots.
 */
export function mailboxOf(address: string): string {
  const at = address.lastIndexOf("@");
  const [local = ""] = address.slice(0, at).toLowerCase().split("+");
  const domain = address.slice(at + 1).toLowerCase();
  const isGmail = domain === "gmail.com" || domain === "googlemail.com";
  return isGmail ? `${local.replaceAll(".", "")}@gmail.com` : `${local}@${domain}`;
}

/** Take one mail of a kind from the recipient's quota. Returns false if none is left. */
export function consumeMailQuota(
  database: Database,
  key: Uint8Array,
  kind: string,
  address: string,
): Promise<boolean> {
  return MAIL_QUOTA.consume(database, key, `${kind}\0${mailboxOf(address)}`);
}
