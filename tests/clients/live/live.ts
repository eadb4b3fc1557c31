// Follows the changes of tasks with two clients. Each one continues at its last cursor, and is refused
// without a valid token.
import assert from "node:assert/strict";
import { createClient as createStreamClient } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";

type Change = { cursor: string; kind: string; task: { title: string } | null };
type Result = { data?: { taskChanges?: Change } | null; errors?: readonly unknown[] };
type Request = { query: string; variables?: Record<string, unknown> };
type Client = { iterate: (request: Request) => AsyncIterableIterator<Result> };

const API = process.env.API ?? "";
const FOLLOW = `subscription ($after: String) {
  taskChanges(after: $after) { cursor kind task { title } }
}`;
const CREATE = "mutation ($title: String!) { createTask(input: { title: $title }) { task { id } } }";

/** Return the client of each transport that sends this token. */
function clients(token: string): Record<"graphql-ws" | "graphql-sse", Client> {
  const Authorization = `Bearer ${token}`;
  return {
    "graphql-ws": createSocketClient({
      url: `${API.replace(/^http/, "ws")}/graphql`,
      connectionParams: { Authorization },
      retryAttempts: 0,
    }) as Client,
    "graphql-sse": createStreamClient({
      url: `${API}/graphql`,
      headers: { Authorization },
      retryAttempts: 0,
    }) as Client,
  };
}

async function ask<Data>(client: Client, query: string, variables = {}): Promise<Data> {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    assert.deepEqual(errors ?? [], []);
    return data as Data;
  }
  throw new Error("There is no result.");
}

async function next(events: AsyncIterator<Result>): Promise<Change> {
  const { value } = await events.next();
  assert(value.data?.taskChanges, JSON.stringify(value));
  return value.data.taskChanges;
}

/** Return the errors of a subscription, or what its client throws. */
async function refusal<Reason>(events: AsyncIterator<Result>): Promise<Reason> {
  try {
    const { value } = await events.next();
    return value.errors;
  } catch (error) {
    return error as Reason;
  }
}

for (const [name, client] of Object.entries(clients(process.env.TOKEN ?? ""))) {
  const create = (title: string) => ask(client, CREATE, { title });
  const { viewer } = await ask<{ viewer: { changeCursor: string } }>(
    client,
    "{ viewer { changeCursor } }",
  );
  const events = client.iterate({ query: FOLLOW, variables: { after: viewer.changeCursor } });
  await create(`First over ${name}`);
  assert.equal((await next(events)).task?.title, `First over ${name}`);
  await create(`Second over ${name}`);
  const { cursor, kind, task } = await next(events);
  assert.deepEqual([kind, task?.title], ["SAVED", `Second over ${name}`]);
  await events.return?.();

  await create(`Third over ${name}`);
  const later = client.iterate({ query: FOLLOW, variables: { after: cursor } });
  assert.equal((await next(later)).task?.title, `Third over ${name}`);
  await later.return?.();

  const expired = client.iterate({ query: FOLLOW, variables: { after: "of nobody" } });
  const [error] = await refusal<[{ extensions: { reason: string } }]>(expired);
  assert.equal(error.extensions.reason, "CURSOR_EXPIRED");
}

const { "graphql-ws": socket, "graphql-sse": stream } = clients("not.a.token");
const closed = await refusal<{ code: number }>(socket.iterate({ query: FOLLOW }));
assert.equal(closed.code, 4403);
const { response } = await refusal<{ response: Response }>(stream.iterate({ query: FOLLOW }));
assert.equal(response.status, 401);
console.log("the flow went through");
process.exit();
