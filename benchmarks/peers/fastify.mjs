// Mercurius with its JIT, and Fastify's own plugin for tokens.
import jwt from "@fastify/jwt";
import Fastify from "fastify";
import mercurius from "mercurius";
import { KEY, SITE } from "./token.mjs";

// Serves a schema. The options are those of Mercurius: schema, resolvers and loaders.
export async function serve(options) {
  const app = Fastify();
  app.register(jwt, {
    secret: KEY.export(),
    verify: { algorithms: ["HS256"], allowedIss: SITE, allowedAud: SITE },
  });
  app.addHook("onRequest", (request) => request.jwtVerify());
  app.register(mercurius, {
    jit: 1,
    context: ({ user }) => ({ owner: user?.user_id }), // it is made for a refused request, too
    ...options,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  console.log(`running on http://127.0.0.1:${app.server.address().port}`);
}
