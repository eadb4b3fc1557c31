// One pool for all of them, so that the servers differ in nothing else.
import pg from "pg";

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  options: "-c timezone=UTC",
  max: 10,
});

// Unless pg is told otherwise a moment is a Date of JavaScript's, which has no microseconds.
if (process.env.MOMENTS === "text") {
  pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => {
    const [seconds, fraction] = text.slice(0, -"+00".length).split(".");
    return `${seconds.replace(" ", "T")}${fraction ? `.${fraction.padEnd(6, "0")}` : ""}Z`;
  });
}
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

// A name is how pg prepares a statement once for each connection.
export const rows = async (statement, values) => (await pool.query({ ...statement, values })).rows;

export function patterns(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.map((word) => `%${word.replace(/[\\%_]/g, "\\$&")}%`);
}
