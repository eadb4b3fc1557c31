import { createHmac } from "node:crypto";
import type { ClientBase } from "pg";
import type { Database } from "./database";

type Rule = {
  /** The table, in the schema `public`, which all processes on the database share. */
  table: string;
  /** What is counted, for the comment on the table. */
  counted: string;
  /** How many may be taken at once. */
  most: number;
  /** The seconds after which one more may be taken. */
  seconds: number;
};

/**
 * A quota for each name, which all processes on this database share. It is a token bucket: `most`
 * at once, and one more every `seconds`. Names are stored only as hashes with a key.
 *
 * The column `full_at` is the time at which all of a quota is available again.
 */
export class Quota {
  readonly #rule: Rule;

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  /** Create the table, if it does not exist. */
  async prepare(client: ClientBase): Promise<void> {
    const { table, counted } = this.#rule;
    await client.query(`CREATE TABLE IF NOT EXISTS public.${table} (
      recipient text PRIMARY KEY,
      full_at timestamptz NOT NULL
    )`);
    await client.query(`COMMENT ON TABLE public.${table} IS '${counted}'`);
    await client.query(`CREATE INDEX IF NOT EXISTS ${table}_full ON public.${table} (full_at)`);
  }

  /** Take one from the quota of a name. Returns false if none is left. */
  async consume(database: Database, key: Uint8Array, name: string): Promise<boolean> {
    const { table, most, seconds } = this.#rule;
    const [, taken] = await this.#query(database, [
      [
        `DELETE FROM public.${table} WHERE recipient IN (
          SELECT recipient FROM public.${table} WHERE full_at < now() FOR UPDATE SKIP LOCKED
        )`,
        [],
      ],
      [
        `INSERT INTO public.${table} (recipient, full_at)
        VALUES ($1, now() + $2 * interval '1 second')
        ON CONFLICT (recipient) DO UPDATE
          SET full_at = greatest(${table}.full_at, now()) + $2 * interval '1 second'
          WHERE ${table}.full_at <= now() + $3 * interval '1 second'`,
        [hashed(key, name), seconds, seconds * (most - 1)],
      ],
    ]);
    return taken === 1;
  }

  /** Make all of the quota of a name available again. */
  async restore(database: Database, key: Uint8Array, name: string): Promise<void> {
    const statement = `DELETE FROM public.${this.#rule.table} WHERE recipient = $1`;
    await this.#query(database, [[statement, [hashed(key, name)]]]);
  }

  /** Run statements on one connection, and return how many rows each of them wrote. */
  async #query(database: Database, statements: [string, unknown[]][]): Promise<(number | null)[]> {
    const client = await database.connect();
    let broken = true;
    try {
      const counts: (number | null)[] = [];
      for (const [text, values] of statements)
        counts.push((await client.query(text, values)).rowCount);
      broken = false;
      return counts;
    } finally {
      client.release(broken);
    }
  }
}

const hashed = (key: Uint8Array, name: string) =>
  createHmac("sha256", key).update(name).digest("base64url");
