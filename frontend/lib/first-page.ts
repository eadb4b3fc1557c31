import { headers } from "next/headers";
import { Client, fetchExchange, mapExchange } from "urql";
import type { Seed } from "@/components/tasks/app-store";
import { toQueryVariables, type View } from "@/components/tasks/view";
import { FirstPageDocument } from "@/gql/graphql";
import { getAuth } from "./auth";
import { callApi } from "./call-api";
import { config } from "./config";
import { withDocumentHash } from "./graphql";
import { reasonOf } from "./reason";

/** More tasks than a tall screen shows. The browser reads the rest. */
const FIRST = 50;
/** After this the page is sent without tasks, and the browser reads them. */
const TIMEOUT_MS = 2_000;

/**
 * Return the first tasks of a view, and the first projects, for the person of the current request;
 * null if the API does not answer in time. The token stays on the server.
 */
export async function firstPage(view: View, today: string): Promise<Seed | null> {
  const { graphqlUrl } = config();
  try {
    const { token } = await getAuth().api.getToken({ headers: await headers() });
    const { data, error } = await callApi("first page", (connecting) => {
      const client = new Client({
        url: graphqlUrl,
        preferGetMethod: false,
        exchanges: [mapExchange({ onOperation: withDocumentHash }), fetchExchange],
        fetchOptions: () => ({
          headers: { authorization: `Bearer ${token}`, ...connecting },
          cache: "no-store",
        }),
        // urql replaces a signal in `fetchOptions` with its own.
        fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) }),
      });
      const variables = { first: FIRST, ...toQueryVariables(view, today) };
      return client.query(FirstPageDocument, variables).toPromise();
    });
    if (data) return { tasks: data.tasks.nodes, projects: data.projects.nodes };
    // A message of the API may quote a value of the view.
    const codes = error?.graphQLErrors.map(({ extensions }) => extensions.code) ?? [];
    throw codes.length > 0 ? new Error(codes.join(", ")) : (error ?? new Error("no data"));
  } catch (error) {
    console.error(`frontend: a page was sent without its tasks (${reasonOf(error)})`);
    return null;
  }
}
