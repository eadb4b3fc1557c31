"use client";

import { GraphiQL, type GraphiQLProps } from "graphiql";
import "graphiql/setup-workers/webpack";
import "graphiql/style.css";
import { getOperationAST, type OperationDefinitionNode, parse } from "graphql";
import { useState } from "react";
import { goToSignIn } from "@/components/account/signed-out";
import { useSession } from "@/components/graphql/graphql";
import { type AccessToken, SessionOverError } from "@/lib/access-token";
import { authorizedFetch } from "@/lib/authorized-fetch";
import { subscribe } from "./subscribe";

const FIRST_QUERY = `# Runs as you, with your access token.
# Ctrl+Enter runs, Ctrl+Space completes.
query Newest {
  viewer {
    email
    taskCount
  }
  tasks(first: 5) {
    nodes {
      id
      title
      completed
    }
  }
}
`;

/**
 * Keep GraphiQL's data only in memory, so that the next person on this computer does not see it.
 */
function memoryStorage(): NonNullable<GraphiQLProps["storage"]> {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
    clear: () => items.clear(),
    get length() {
      return items.size;
    },
  };
}

/**
 * Return the operation that is to run, or null if the API shall report what is wrong with the text.
 * Shortly after an edit, GraphiQL still has the name of an operation in the text before.
 */
function operationIn(
  query: string,
  name: string | null | undefined,
): OperationDefinitionNode | null {
  try {
    const document = parse(query);
    return getOperationAST(document, name) ?? getOperationAST(document) ?? null;
  } catch {
    return null;
  }
}

function fetcherFor(apiUrl: string, accessToken: AccessToken): GraphiQLProps["fetcher"] {
  const fetchAuthorized = authorizedFetch(accessToken);
  return async ({ query, variables, operationName }) => {
    const operation = operationIn(query, operationName);
    const request = {
      query,
      variables,
      operationName: operation ? operation.name?.value : operationName,
    };
    try {
      if (operation?.operation === "subscription")
        return await subscribe(apiUrl, accessToken, request);
      const answer = await fetchAuthorized(`${apiUrl}/graphql`, {
        method: "POST",
        headers: {
          Accept: "application/graphql-response+json, application/json",
          "Content-Type": "application/json",
        },
        body: JSON.stringify(request),
      });
      if (answer.status === 401) goToSignIn("refused");
      return await answer.json();
    } catch (error) {
      if (error instanceof SessionOverError) goToSignIn("session-over");
      throw error;
    }
  };
}

export default function Editor() {
  const { apiUrl, accessToken } = useSession();
  const [fetcher] = useState(() => fetcherFor(apiUrl, accessToken));
  const [storage] = useState(memoryStorage);
  return (
    <GraphiQL
      defaultQuery={FIRST_QUERY}
      fetcher={fetcher}
      isHeadersEditorEnabled={false}
      storage={storage}
    />
  );
}
