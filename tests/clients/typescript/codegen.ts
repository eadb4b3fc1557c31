import type { CodegenConfig } from "@graphql-codegen/cli";

export default {
  schema: "schema.graphql",
  documents: "flow.graphql",
  generates: {
    "gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: "string",
        enumsAsTypes: true,
        strictScalars: true,
        useTypeImports: true,
        scalars: { ID: "string", Date: "string", DateTime: "string" },
      },
    },
  },
} satisfies CodegenConfig;
