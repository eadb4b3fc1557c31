import { AsyncLocalStorage } from "node:async_hooks";
import { DatabaseError, Pool, type PoolConfig } from "pg";

/**
 * pg's options for a URL as Neon, Supabase or the embedded server print it.
 *
 * `sslmode` is read as libpq reads it, so that this server and the API make the same of one URL;
 * `channel_binding`, which pg does not know in a URL, is its `enableChannelBinding`.
 */
export function poolOptions(url: string): PoolConfig {
  const [base = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  const channelBinding = parameters.get("channel_binding");
  parameters.delete("channel_binding");
  if (parameters.has("sslmode")) parameters.set("uselibpqcompat", "true");
  return {
    connectionString: parameters.size > 0 ? `${base}?${parameters}` : base,
    enableChannelBinding: channelBinding === "require" || channelBinding === "prefer",
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: "bearer-tasks-frontend",
  };
}

export function createPool(url: string, options: PoolConfig = {}): Pool {
  const pool = new Pool({ ...poolOptions(url), ...options });
  // An idle connection that the server closes raises this; without a listener it ends the process.
  pool.on("error", (error) => {
    console.warn(`database: an idle connection was lost (${error.message})`);
  });
  return pool;
}

const watch = new AsyncLocalStorage<{ failed: boolean }>();

/** Whether PostgreSQL answered and refused the data itself: classes 22 and 23 of its SQLSTATEs. */
function isAboutData(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? "");
}

function noteFailure(error: unknown): never {
  const current = watch.getStore();
  if (current && !isAboutData(error)) current.failed = true;
  throw error;
}

/**
 * Runs `work` and says whether the database let it down meanwhile.
 *
 * Better Auth turns a failed look-up of a session into "no session" (401), which would sign people
 * out over an outage. Only the connection knows better.
 */
export async function watchDatabase<T>(work: () => Promise<T>): Promise<[T, failed: boolean]> {
  const state = { failed: false };
  const result = await watch.run(state, work);
  return [result, state.failed];
}

/** The part of a pool that Better Auth's query builder uses, reporting failures to the watcher. */
export function watchedPool(pool: Pool) {
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect().catch(noteFailure);
      const query = client.query.bind(client);
      return Object.assign(Object.create(client) as typeof client, {
        query: (text: string, values: unknown[]) => query(text, values).catch(noteFailure),
      });
    },
  };
}

/** What Better Auth may be given. */
export type Database = Pool | ReturnType<typeof watchedPool>;
