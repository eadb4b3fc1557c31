// Mercurius with its JIT, and Fastify's own plugin for tokens.
import jwt from "@fastify/jwt";
import Fastify from "fastify";
import mercurius from "mercurius";
import { resolvers, typeDefs } from "./tasks.mjs";
import { KEY, SITE } from "./token.mjs";

const app = Fastify();
app.register(jwt, {
  secret: KEY.export(),
  verify: { algorithms: ["HS256"], allowedIss: SITE, allowedAud: SITE },
});
app.addHook("onRequest", (request) => request.jwtVerify());
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  jit: 1,
  context: ({ user }) => ({ owner: user?.user_id }), // it is made for a refused request, too
});
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`running on http://127.0.0.1:${app.server.address().port}`);
