// graphql-http's audits of a server, as lines of JSON: node audits.mjs URL TOKEN
import { createRequire } from "node:module";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const { serverAudits } = require("graphql-http");
const [url, token] = process.argv.slice(2);

const audits = serverAudits({
  url,
  fetchFn: (input, init) =>
    fetch(input, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } }),
});
for (const audit of audits) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
