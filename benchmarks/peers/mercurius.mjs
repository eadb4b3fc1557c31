import { serve } from "./fastify.mjs";
import { resolvers, typeDefs } from "./tasks.mjs";

await serve({ schema: typeDefs, resolvers });
