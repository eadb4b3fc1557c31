// PostGraphile, which makes its schema from the tables: a token's owner becomes the settings of a
// transaction, and the tables' own row security does the rest.
import { createServer } from "node:http";
import { SafeError } from "postgraphile/grafast";
import { grafserv } from "postgraphile/grafserv/node";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import jwt from "jsonwebtoken";
import { CHECKED, KEY } from "./token.mjs";

function ownerOf({ node }) {
  try {
    return jwt.verify(node.req.headers.authorization.split(" ")[1], KEY, CHECKED).user_id;
  } catch {
    throw new SafeError("User is not authenticated", { statusCode: 401 });
  }
}

const server = createServer();
const api = postgraphile({
  extends: [PostGraphileAmberPreset],
  disablePlugins: ["PgIndexBehaviorsPlugin"], // by which one may ask only for what has an index alone
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ["tasks"],
      poolConfig: { max: 10, options: "-c timezone=UTC" },
    }),
  ],
  grafserv: { watch: false, graphiql: false },
  grafast: {
    context: (request) => ({
      pgSettings: { role: "bearer_tasks_caller", "app.owner_id": ownerOf(request) },
    }),
  },
});
await api.createServ(grafserv).addTo(server);
server.listen(0, "127.0.0.1", () => {
  console.log(`running on http://127.0.0.1:${server.address().port}`);
});
