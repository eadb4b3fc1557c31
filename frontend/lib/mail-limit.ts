import { createHmac } from "node:crypto";
import type { ClientBase } from "pg";
import type { Database } from "./database";

/**
 * Each recipient may get 3 mails of a kind, and one more every hour: at most 26 in a day. There is
 * no smaller daily limit, because a stranger who requests links for somebody could use it up. As a
 * link works for an hour, the person always has a valid link or can get one.
 *
 * `full_at` is the time at which all 3 mails are available again.
 */
const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS public.mail_limit (
    recipient text PRIMARY KEY,
    full_at timestamptz NOT NULL
  )`,
  `COMMENT ON TABLE public.mail_limit IS
    'Who was sent mail lately: keyed hashes of a kind of mail and an address'`,
  `CREATE INDEX IF NOT EXISTS mail_limit_full ON public.mail_limit (full_at)`,
];

const CONSUME = `
  INSERT INTO public.mail_limit (recipient, full_at) VALUES ($1, now() + interval '1 hour')
  ON CONFLICT (recipient) DO UPDATE
    SET full_at = greatest(mail_limit.full_at, now()) + interval '1 hour'
    WHERE mail_limit.full_at <= now() + interval '2 hours'`;

const FORGET = `
  DELETE FROM public.mail_limit WHERE recipient IN (
    SELECT recipient FROM public.mail_limit WHERE full_at < now() FOR UPDATE SKIP LOCKED
  )`;

/** Create the table, if it does not exist. */
export async function prepareMailLimit(client: ClientBase): Promise<void> {
  for (const statement of SCHEMA) await client.query(statement);
}

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

/**
 * Take one mail of a kind from the recipient's quota, which all processes on this database share.
 * Returns false if none is left. Addresses are stored only as hashes with `key`.
 */
export async function consumeMailQuota(
  database: Database,
  key: Uint8Array,
  kind: string,
  address: string,
): Promise<boolean> {
  const recipient = createHmac("sha256", key)
    .update(`${kind}\0${mailboxOf(address)}`)
    .digest("base64url");
  const client = await database.connect();
  let broken = true;
  try {
    await client.query(FORGET, []);
    const taken = await client.query(CONSUME, [recipient]);
    broken = false;
    return taken.rowCount === 1;
  } finally {
    client.release(broken);
  }
}
