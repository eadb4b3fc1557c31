import { DatabaseError, type PoolClient, type QueryResult, type QueryResultRow } from "pg";
// With its extension, so that Node can import this file without a bundler, as a test does.
import { createPool } from "./database.ts";

/** The number of connections of a process, and its timeouts in milliseconds. */
type Limits = Readonly<{
  connections: number;
  /** Timeout for a free or a new connection. */
  connect: number;
  /**
   * Timeout for the response to a statement. After it the network has failed, and the connection is
   * closed.
   */
  answer: number;
  /** Timeout after which PostgreSQL cancels a statement. It is shorter than `answer`. */
  statement: number;
}>;

const LIMITS: Limits = { connections: 10, connect: 5_000, answer: 10_000, statement: 9_000 };

type Opened = { pool: ReturnType<typeof createPool>; isLimited: boolean };

/** Whether a pooler in transaction mode rejected a startup parameter (`08P01`). */
const isRefusedParameter = (error: unknown) =>
  error instanceof DatabaseError && error.code === "08P01";

/**
 * A pool of connections to PostgreSQL with a `statement_timeout`. A timeout only on this side would
 * stop waiting, but the statement would continue on the server.
 *
 * The timeout is a setting of the session. Transaction poolers reject or drop it; behind one, each
 * statement runs in a transaction that sets it.
 */
export class Connections {
  readonly #url: string;
  readonly #limits: Limits;
  #opened: Promise<Opened> | undefined;
  #pool: Opened["pool"] | undefined;

  /** Create the pool. It connects on first use. */
  constructor(url: string, limits: Limits = LIMITS) {
    this.#url = url;
    this.#limits = limits;
  }

  /** Return a connection, to be released after use. */
  async connect(): Promise<PoolClient> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    const { pool, isLimited } = await this.#opened;
    this.#pool = pool;
    return leased(await pool.connect(), isLimited ? null : this.#limits.statement);
  }

  /** Run one statement on its own connection. */
  async query<R extends QueryResultRow>(
    text: string,
    values: unknown[] = [],
  ): Promise<QueryResult<R>> {
    const client = await this.connect();
    try {
      return await client.query<R>(text, values);
    } finally {
      client.release();
    }
  }

  /** Return how many connections are lent, idle and allowed, and how many requests wait for one. */
  use(): { lent: number; idle: number; limit: number; waiting: number } {
    const { totalCount = 0, idleCount = 0, waitingCount = 0 } = this.#pool ?? {};
    const limit = this.#limits.connections;
    return { lent: totalCount - idleCount, idle: idleCount, limit, waiting: waitingCount };
  }

  async end(): Promise<void> {
    const opened = await this.#opened?.catch(() => null);
    await opened?.pool.end();
  }

  async #open(): Promise<Opened> {
    const { connections, connect, answer, statement } = this.#limits;
    const options = { max: connections, connectionTimeoutMillis: connect, query_timeout: answer };
    const pool = createPool(this.#url, { ...options, statement_timeout: statement });
    try {
      const client = await pool.connect();
      try {
        const { rows } = await client.query<{ setting: string }>(
          "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'",
        );
        return { pool, isLimited: rows[0]?.setting === String(statement) };
      } finally {
        client.release();
      }
    } catch (error) {
      await pool.end();
      if (!isRefusedParameter(error)) throw error;
      return { pool: createPool(this.#url, options), isLimited: false };
    }
  }
}

const BEGINS = /^\s*(begin|start\s+transaction)\b/i;
const ENDS = /^\s*(commit|rollback|end)\s*;?\s*$/i;

/**
 * Return a connection that is closed on release if its last statement got no response.
 *
 * @param limit the milliseconds to set in each transaction, or null if the session has the timeout.
 */
function leased(client: PoolClient, limit: number | null): PoolClient {
  const query = client.query.bind(client);
  let isBroken = false;
  let isBegun = false;

  async function run(text: string, values?: unknown[]): Promise<QueryResult> {
    try {
      return await query(text, values);
    } catch (error) {
      isBroken ||= !(error instanceof DatabaseError);
      throw error;
    }
  }

  async function runLimited(text: string, values?: unknown[]): Promise<QueryResult> {
    if (ENDS.test(text)) isBegun = false;
    else if (!isBegun && BEGINS.test(text)) {
      const begun = await run(text, values);
      await run(`SET LOCAL statement_timeout = ${limit}`);
      isBegun = true;
      return begun;
    } else if (!isBegun) return await runAlone(text, values);
    return await run(text, values);
  }

  async function runAlone(text: string, values?: unknown[]): Promise<QueryResult> {
    try {
      await run(`BEGIN; SET LOCAL statement_timeout = ${limit}`);
      const result = await run(text, values);
      await run("COMMIT");
      return result;
    } catch (error) {
      if (!isBroken) await run("ROLLBACK");
      throw error;
    }
  }

  return Object.assign(Object.create(client) as PoolClient, {
    query: limit === null ? run : runLimited,
    release: (error?: Error | boolean) => client.release(error ?? isBroken),
  });
}
