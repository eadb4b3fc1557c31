// Show the open tasks of the signed-in user with Apollo Client, on a page at the web app's origin. Changes
// from other browsers appear as they happen.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { ApolloProvider, useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";
import { graphql } from "./gql";
import type { ShownFragment } from "./gql/graphql";

const CURSOR = graphql(`query Cursor { viewer { changeCursor } }`);
const OPEN_TASKS = graphql(`
  query OpenTasks { tasks(first: 100, filter: { status: [OPEN] }) { nodes { ...Shown } } }
  fragment Shown on Task { id title completed trashedAt }
`);
const CHANGES = graphql(`
  subscription Changes($after: String!) { taskChanges(after: $after) { taskId task { ...Shown } } }
`);
const CREATE = graphql(`
  mutation Create($title: String!) { createTask(input: { title: $title }) { task { ...Shown } } }
`);
const COMPLETE = graphql(`
  mutation Complete($id: ID!) { updateTask(id: $id, patch: { completed: true }) { task { ...Shown } } }
`);

/** Return the header with a new token of the session. The web app keeps each token until it expires. */
async function authorization(): Promise<string> {
  const response = await fetch("/api/auth/token", { cache: "no-store" });
  const { token } = (await response.json()) as { token: string };
  return `Bearer ${token}`;
}

function connect(apiUrl: string): ApolloClient {
  const authorized = new SetContextLink(async () => ({
    headers: { authorization: await authorization() },
  }));
  // After a lost connection, the client subscribes again at the same cursor. So it misses no change.
  const socket = createClient({
    url: `${apiUrl.replace(/^http/, "ws")}/graphql`,
    connectionParams: async () => ({ Authorization: await authorization() }),
    retryAttempts: Number.POSITIVE_INFINITY,
  });
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    authorized.concat(new HttpLink({ uri: `${apiUrl}/graphql`, credentials: "omit" })),
  );
  return new ApolloClient({ link, cache: new InMemoryCache() });
}

/** Return the open tasks after a change of one task. Its latest state replaces the previous one. */
function changed(tasks: ShownFragment[], id: string, latest: ShownFragment | null): ShownFragment[] {
  const isOpen = latest !== null && !latest.completed && latest.trashedAt === null;
  if (!isOpen) return tasks.filter((task) => task.id !== id);
  if (!tasks.some((task) => task.id === id)) return [latest, ...tasks];
  return tasks.map((task) => (task.id === id ? latest : task));
}

/** Show the tasks. The list is requested after the cursor `after` was read, so that no change is missed. */
function Tasks({ after }: { after: string }) {
  const { data, error } = useQuery(OPEN_TASKS, { fetchPolicy: "network-only" });
  const [create] = useMutation(CREATE);
  const [complete] = useMutation(COMPLETE);
  useSubscription(CHANGES, {
    variables: { after },
    skip: data === undefined,
    onData: ({ client, data: { data: event } }) => {
      if (!event) return;
      const { taskId, task } = event.taskChanges;
      client.cache.updateQuery({ query: OPEN_TASKS }, (before) =>
        before && { tasks: { ...before.tasks, nodes: changed(before.tasks.nodes, taskId, task) } },
      );
    },
  });
  if (error) return <p role="alert">{error.message}</p>;
  return (
    <main>
      <form action={(form) => void create({ variables: { title: String(form.get("title")) } })}>
        <input aria-label="New task" name="title" required={true} />
      </form>
      <ul>
        {data?.tasks.nodes.map(({ id, title }) => (
          <li key={id}>
            {title} <button onClick={() => void complete({ variables: { id } })}>Complete</button>
          </li>
        ))}
      </ul>
    </main>
  );
}

function Page() {
  const { data, error } = useQuery(CURSOR, { fetchPolicy: "network-only" });
  if (error) return <p role="alert">{error.message}</p>;
  return data ? <Tasks after={data.viewer.changeCursor} /> : <p>Loading…</p>;
}

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <ApolloProvider client={connect(root.dataset.api ?? "")}>
      <Page />
    </ApolloProvider>,
  );
