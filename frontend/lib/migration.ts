import { setTimeout as sleep } from "node:timers/promises";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { DatabaseError, type Pool, type PoolClient } from "pg";
import { authOptions } from "./auth";
import type { Config } from "./config";
import { createPool } from "./database";
import { MAIL_QUOTA } from "./mail-limit";
import { prepareOutbox } from "./outbox";
import { reencryptKeys } from "./secret-rotation";
import { SIGN_IN_QUOTA } from "./sign-in-limit";

// An arbitrary number, the same in every process. The API's migrations use another one.
const LOCK = "7238619340925513";
const WAIT_FOR_DATABASE_MS = 30_000;
const WAIT_FOR_LOCK = "60s";

/**
 * Whether PostgreSQL refused the connection: wrong role, password or database (SQLSTATE classes 28,
 * 3D).
 */
function isRefused(error: unknown): boolean {
  return error instanceof DatabaseError && /^(28|3D)/.test(error.code ?? "");
}

/** Connect, and wait for a database that is still starting. A refused connection is not retried. */
async function connect(pool: Pool): Promise<PoolClient> {
  const deadline = Date.now() + WAIT_FOR_DATABASE_MS;
  for (;;) {
    try {
      return await pool.connect();
    } catch (error) {
      if (isRefused(error) || Date.now() >= deadline) throw error;
      await sleep(500);
    }
  }
}

/**
 * Encrypt the keys with the current secret again, and create a key before the first token needs it.
 */
async function prepareKeys(
  config: Config,
  options: ReturnType<typeof authOptions>,
  client: PoolClient,
): Promise<void> {
  const { $context, api } = betterAuth(options);
  const { secretConfig } = await $context;
  if (typeof secretConfig !== "string") await reencryptKeys(client, secretConfig);
  if (config.tokenSigning === "key-set") await api.getJwks();
}

/**
 * Migrate the tables: Better Auth's own, the outbox and the quotas, all in the schema
 * `public`. A lock makes this safe when several servers start at once.
 *
 * @throws if the database is not reachable within 30 seconds or the lock is not free within 60.
 */
export async function migrate(config: Config): Promise<void> {
  const pool = createPool(config.unpooledDatabaseUrl, { max: 3, query_timeout: 90_000 });
  try {
    const lock = await connect(pool);
    try {
      await lock.query("SELECT set_config('lock_timeout', $1, false)", [WAIT_FOR_LOCK]);
      await lock.query("SELECT pg_advisory_lock($1)", [LOCK]);
      const options = authOptions(config, pool);
      const { runMigrations } = await getMigrations(options);
      await runMigrations();
      await prepareOutbox(lock);
      await MAIL_QUOTA.prepare(lock);
      await SIGN_IN_QUOTA.prepare(lock);
      await prepareKeys(config, options, lock);
    } finally {
      // Close the connection instead of returning it to the pool, so that the lock is always
      // released.
      lock.release(true);
    }
  } finally {
    await pool.end();
  }
}
