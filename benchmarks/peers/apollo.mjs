// Apollo Server as its own pages start it, and the token in the context, as they show it.
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { GraphQLError } from "graphql";
import jwt from "jsonwebtoken";
import { resolvers, typeDefs } from "./tasks.mjs";
import { CHECKED, KEY } from "./token.mjs";

const server = new ApolloServer({ typeDefs, resolvers });
const { url } = await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: 0 },
  context: async ({ req }) => {
    try {
      const token = req.headers.authorization?.split(" ")[1];
      return { owner: jwt.verify(token, KEY, CHECKED).user_id };
    } catch {
      throw new GraphQLError("User is not authenticated", {
        extensions: { code: "UNAUTHENTICATED", http: { status: 401 } },
      });
    }
  },
});
console.log(`running on ${url.replace(/\/$/, "")}`);
