// GraphQL Yoga on Node's own server, with its plugin for tokens and its caches as they come.
import { createServer } from "node:http";
import { useJWT } from "@graphql-yoga/plugin-jwt";
import { createSchema, createYoga } from "graphql-yoga";
import { resolvers, typeDefs } from "./tasks.mjs";
import { CHECKED, KEY } from "./token.mjs";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [useJWT({ signingKeyProviders: [() => KEY], tokenVerification: CHECKED })],
  context: ({ jwt }) => ({ owner: jwt.payload.user_id }),
  logging: "error", // it would write a stack for each refused token, which no other server does
});
const server = createServer(yoga);
server.listen(0, "127.0.0.1", () => {
  console.log(`running on http://127.0.0.1:${server.address().port}`);
});
