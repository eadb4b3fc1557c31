// The web app's connections while a table is locked: prints what PostgreSQL had meanwhile, as JSON.
import pg from "../../frontend/node_modules/pg/esm/index.mjs";
import { Connections } from "../../frontend/lib/connections.ts";

const [url, watched, table] = process.argv.slice(2);
const limits = { connections: 4, connect: 20_000, answer: 20_000, statement: 300 };
const connections = new Connections(url, limits);
const locker = new pg.Client({ connectionString: watched });
// Another one, since within a transaction pg_stat_activity stays as it was first seen.
const watcher = new pg.Client({ connectionString: watched });
await Promise.all([locker.connect(), watcher.connect()]);

/** Backends that wait for the lock. */
async function waiting() {
  const { rows } = await watcher.query(
    `SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()`,
    [table],
  );
  return rows[0].count;
}

await connections.query(`CREATE TABLE ${table} (id int)`);
const kept = await connections.query("SELECT current_setting('statement_timeout') AS value");
await locker.query(`BEGIN; LOCK TABLE ${table}`);

let most = 0;
const codes = new Set();
for (let round = 0; round < 2; round += 1) {
  const asked = Array.from({ length: 8 }, () =>
    connections.query(`SELECT * FROM ${table}`).catch((error) => codes.add(error.code ?? error.message)),
  );
  const begun = connections.connect().then(
    async (client) => {
      await client.query("begin");
      await client.query(`INSERT INTO ${table} VALUES (1)`).catch(({ code }) => codes.add(code));
      await client.query("rollback");
      client.release();
    },
    () => null,
  );
  let isDone = false;
  const done = Promise.all([...asked, begun]).then(() => {
    isDone = true;
  });
  while (!isDone) most = Math.max(most, await waiting());
  await done;
}
const left = await waiting();
await locker.query("COMMIT");

// The connections are good again, and a transaction of one's own is one.
const client = await connections.connect();
await client.query("BEGIN");
await client.query(`INSERT INTO ${table} VALUES ($1)`, [1]);
await client.query("ROLLBACK");
await client.query(`INSERT INTO ${table} VALUES ($1)`, [2]);
client.release();
const { rows } = await connections.query(`SELECT id FROM ${table}`);
await connections.query(`DROP TABLE ${table}`);
await connections.end();
await Promise.all([locker.end(), watcher.end()]);
console.log(JSON.stringify({ most, left, codes: [...codes].sort(), timeout: kept.rows[0].value, rows }));
