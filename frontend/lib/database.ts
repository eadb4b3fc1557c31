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
// With its extension, so that Node can import this file without a bundler, as a test does.
import { readDatabaseUrl, tlsOptions } from "./database-url.ts";

/** A method of pg's connection that its types do not declare. */
type Negotiating = Connection & { attachListeners(stream: Duplex): void };

/**
 * Continues without TLS if the server does not support it, as libpq does with `sslmode=prefer` and
 * pg does not.
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

/** Return pg's options for a URL, which the API reads in the same way. */
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
  // pg emits this when the server closes an idle connection. Without a listener the process would
  // exit.
  pool.on("error", (error) => {
    console.warn(`database: an idle connection was lost (${error.message})`);
  });
  return pool;
}

/** Why a statement failed: the database did not answer, or it cannot store a text. */
type Failure = "unavailable" | "unstorable";

const watch = new AsyncLocalStorage<{ failure: Failure | null }>();

/**
 * Return the kind of a failure, or null if PostgreSQL rejected the data, which Better Auth handles.
 */
function failureOf(error: unknown): Failure | null {
  const code = (error instanceof DatabaseError && error.code) || "";
  // `character_not_in_repertoire`: a text contains NUL.
  if (code === "22021") return "unstorable";
  // SQLSTATE classes of data errors: the database answered, so this is no outage.
  return /^2[23]/.test(code) ? null : "unavailable";
}

function noteFailure(error: unknown): never {
  const current = watch.getStore();
  if (current && current.failure !== "unavailable")
    current.failure = failureOf(error) ?? current.failure;
  throw error;
}

/**
 * Run `work` and return its result, or the database failure that happened meanwhile.
 *
 * Better Auth treats a failed look-up of a session as "no session" (401), which would sign people
 * out during an outage. If Better Auth cannot count a request for the rate limit, it throws an
 * error.
 */
export async function watchDatabase<T>(
  work: () => Promise<T>,
): Promise<{ result: T } | { failure: Failure }> {
  const state: { failure: Failure | null } = { failure: null };
  try {
    const result = await watch.run(state, work);
    return state.failure ? { failure: state.failure } : { result };
  } catch (error) {
    if (state.failure) return { failure: state.failure };
    throw error;
  }
}

/**
 * Return the part of a pool that Better Auth's query builder uses. It reports failures to
 * `watchDatabase`.
 */
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

/** The databases that Better Auth accepts. */
export type Database = Pool | ReturnType<typeof watchedPool>;
