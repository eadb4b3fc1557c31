import { AsyncLocalStorage } from "node:async_hooks";
import type { Duplex } from "node:stream";
import {
  Client,
  type ClientConfig,
  type Connection,
  DatabaseError,
  Pool,
  type PoolConfig,
} from "pg";
import type { Connections } from "./connections";
// With its ending, so that Node alone can import it: a test runs this file as it is.
import { readDatabaseUrl, tlsOptions } from "./database-url.ts";

/** pg's own, of which its types do not tell. */
type Negotiating = Connection & { attachListeners(stream: Duplex): void };

/**
 * Goes on without TLS where the server says that it has none, as libpq's `sslmode=prefer` does and pg
 * does not.
 */
class PreferringClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    const connection = this.connection as Negotiating;
    connection.once("connect", () => {
      const { stream } = connection;
      const usual = stream.rawListeners("data");
      stream.removeAllListeners("data");
      stream.once("data", (answer: Buffer) => {
        if (answer.toString() === "N") {
          connection.attachListeners(stream);
          connection.emit("sslconnect");
        } else {
          for (const listener of usual) listener.call(stream, answer);
        }
      });
    });
  }
}

/** pg's options for a URL, read as the API reads it. */
export function poolOptions(url: string): PoolConfig {
  const settings = readDatabaseUrl(url);
  return {
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    ...(settings.password === null ? {} : { password: settings.password }),
    ssl: tlsOptions(settings),
    ...(settings.sslmode === "prefer" ? { Client: PreferringClient } : {}),
    sslnegotiation: settings.sslnegotiation,
    enableChannelBinding: settings.channel_binding !== "disable",
    ...(settings.options === null ? {} : { options: settings.options }),
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: settings.application_name ?? "bearer-tasks-frontend",
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

/** Why the database did not do as it was told: it is out of order, or cannot store such a text. */
type Failure = "unavailable" | "unstorable";

const watch = new AsyncLocalStorage<{ failure: Failure | null }>();

/** What an error says; nothing when PostgreSQL refused the data for a reason that Better Auth knows. */
function failureOf(error: unknown): Failure | null {
  const code = (error instanceof DatabaseError && error.code) || "";
  // `character_not_in_repertoire`: a text holds NUL.
  if (code === "22021") return "unstorable";
  // The data's classes of SQLSTATEs: an answer, and no outage.
  return /^2[23]/.test(code) ? null : "unavailable";
}

function noteFailure(error: unknown): never {
  const current = watch.getStore();
  if (current && current.failure !== "unavailable")
    current.failure = failureOf(error) ?? current.failure;
  throw error;
}

/**
 * Runs `work` and says whether the database let it down meanwhile, or was given what it cannot store.
 *
 * Better Auth turns a failed look-up of a session into "no session" (401), which would sign people
 * out over an outage. Only the connection knows better.
 */
export async function watchDatabase<T>(
  work: () => Promise<T>,
): Promise<[T, failure: Failure | null]> {
  const state: { failure: Failure | null } = { failure: null };
  const result = await watch.run(state, work);
  return [result, state.failure];
}

/** The part of a pool that Better Auth's query builder uses, reporting failures to the watcher. */
export function watchedPool(pool: Pick<Connections, "connect" | "end">) {
  return {
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
