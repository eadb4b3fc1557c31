// Reads URLs, and connects to them, as the web app does. Prints what came of each as JSON.
import { registerHooks } from "node:module";
import { json } from "node:stream/consumers";

// Node reads TypeScript by itself, but not the imports without an ending that bundlers want.
registerHooks({
  resolve: (specifier, context, next) =>
    next(context.parentURL?.endsWith(".ts") ? specifier.replace(/^\.\/[\w-]+$/, "$&.ts") : specifier, context),
});
const { readDatabaseUrl, InvalidUrl } = await import("../frontend/lib/database-url.ts");
const { createPool } = await import("../frontend/lib/database.ts");

function read(url) {
  try {
    return { says: readDatabaseUrl(url) };
  } catch (error) {
    if (!(error instanceof InvalidUrl)) throw error;
    return { refused: error.message };
  }
}

const ASKED = "SELECT current_user, ssl, current_setting('application_name') AS application FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

async function connect(url) {
  let pool;
  try {
    pool = createPool(url);
    const { rows } = await pool.query(ASKED);
    return rows[0];
  } catch (error) {
    return error instanceof InvalidUrl ? error.message : "does not connect";
  } finally {
    await pool?.end();
  }
}

const urls = await json(process.stdin);
const answers = process.argv[2] === "read" ? urls.map(read) : [];
if (process.argv[2] === "connect") for (const url of urls) answers.push(await connect(url));
console.log(JSON.stringify(answers));
