import { setTimeout as sleep } from "node:timers/promises";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { DatabaseError, type Pool, type PoolClient } from "pg";
import { authOptions } from "./auth";
import type { Config } from "./config";
import { createPool } from "./database";
import { prepareMailLimit } from "./mail-limit";
import { prepareOutbox } from "./outbox";
import { reencryptKeys } from "./secret-rotation";

// An arbitrary number, the same in every process; the API's migrations lock under another.
const LOCK = "7238619340925513";
const WAIT_FOR_DATABASE_MS = 30_000;
const WAIT_FOR_LOCK = "60s";

/** Whether PostgreSQL itself refused: no such role, password or database (SQLSTATE classes 28, 3D). */
function isRefused(error: unknown): boolean {
  return error instanceof DatabaseError && /^(28|3D)/.test(error.code ?? "");
}

/** A database may start beside this server: no answer yet is waited for, a refusal is not. */
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

/** Leaves no key under a secret that may be removed, and has one served before the first token. */
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
 * Brings Better Auth's tables up to date: its own migrations, the outbox that hangs on them, and the
 * limits of mail, under a lock, since several servers may start at once. They touch nothing but these
 * tables, in the schema `public`.
 *
 * @throws when the database cannot be reached in 30 seconds or the lock not be had in 60.
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
      await prepareMailLimit(lock);
      await prepareKeys(config, options, lock);
    } finally {
      // Closed, not returned: the lock goes with its connection, whatever happened.
      lock.release(true);
    }
  } finally {
    await pool.end();
  }
}
