import { DatabaseError, type PoolClient, type QueryResult, type QueryResultRow } from "pg";
// With its ending, so that Node alone can import it: a test runs this file as it is.
import { createPool } from "./database.ts";

/** How many connections a process has, and how long it waits, in milliseconds. */
export type Limits = Readonly<{
  connections: number;
  /** For a free connection, or for a new one. */
  connect: number;
  /** For the answer to a statement: then its connection is closed, since the network has failed. */
  answer: number;
  /** For PostgreSQL to run a statement: then PostgreSQL cancels it, before its answer is given up. */
  statement: number;
}>;

const LIMITS: Limits = { connections: 10, connect: 5_000, answer: 10_000, statement: 9_000 };

type Opened = { pool: ReturnType<typeof createPool>; isLimited: boolean };

/** A pooler in transaction mode takes few parameters when a connection starts (`08P01`). */
const isRefusedParameter = (error: unknown) =>
  error instanceof DatabaseError && error.code === "08P01";

/**
 * Connections to PostgreSQL whose statements PostgreSQL itself ends when they take too long. A deadline
 * on this side alone gives up waiting, while the statement and its backend go on.
 *
 * The limit is a setting of the session. Behind a transaction pooler, which refuses or drops that, each
 * statement runs in a transaction that sets it.
 */
export class Connections {
  readonly #url: string;
  readonly #limits: Limits;
  #opened: Promise<Opened> | undefined;

  /** Connects to nothing yet. */
  constructor(url: string, limits: Limits = LIMITS) {
    this.#url = url;
    this.#limits = limits;
  }

  /** Lends a connection, until it is released. */
  async connect(): Promise<PoolClient> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    const { pool, isLimited } = await this.#opened;
    return leased(await pool.connect(), isLimited ? null : this.#limits.statement);
  }

  /** Runs one statement on a connection of its own. */
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
 * The connection, which is closed on release when its last statement got no answer.
 *
 * @param limit milliseconds to set in each transaction; null when the session has the limit.
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
