import type { CodegenConfig } from "@graphql-codegen/cli";

const config = {
  enumsAsTypes: true,
  strictScalars: true,
  useTypeImports: true,
  scalars: { ID: "string", Date: "string", DateTime: "string" },
};

export default {
  schema: "../schema.graphql",
  generates: {
    "gql/": {
      documents: "components/**/*.graphql",
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        // The manifest of trusted documents, which the API reads as TRUSTED_DOCUMENTS.
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config,
    },
    "../examples/apollo/gql/": {
      documents: "../examples/apollo/*.tsx",
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config,
    },
  },
} satisfies CodegenConfig;
