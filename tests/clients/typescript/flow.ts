// A program with the documents that the client preset typed: creates, reads, changes, deletes.
import assert from "node:assert/strict";
import {
  ChangesDocument,
  CreateDocument,
  CreateProjectDocument,
  DeleteDocument,
  PageDocument,
  ProjectsDocument,
  type TypedDocumentString,
  UpdateDocument,
} from "./gql/graphql.ts";

type Answer<T> = {
  data?: T;
  errors?: { message: string; extensions: { code: string; currentVersion?: number } }[];
};

async function ask<T, V>(document: TypedDocumentString<T, V>, variables: V): Promise<Answer<T>> {
  const response = await fetch(`${process.env.API}/graphql`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${process.env.TOKEN}`,
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json",
    },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal: AbortSignal.timeout(10_000),
  });
  return (await response.json()) as Answer<T>;
}

const inputs = [
  { title: "Call the bank", priority: "HIGH" as const, labels: ["Home"] },
  { title: "Pay rent", dueOn: "2026-12-01" },
];
const made = (await ask(CreateDocument, { inputs })).data?.createTasks?.tasks;
assert(made?.[0] && made[1]);
const [bank, rent] = made;
assert.deepEqual([bank.priority, bank.labels, rent.dueOn], ["HIGH", ["home"], "2026-12-01"]);

const page = await ask(PageDocument, {
  first: 1,
  filter: { dueFrom: "2026-01-01" },
  orderBy: { field: "DUE_ON", direction: "ASC" },
});
assert.deepEqual(
  page.data?.tasks.nodes.map((task) => task.title),
  ["Pay rent"],
);
assert.equal(page.data?.tasks.totalCount, 1);

const write = {
  id: rent.id,
  patch: { completed: true, dueOn: null },
  expectedVersion: rent.version,
};
const done = (await ask(UpdateDocument, write)).data?.updateTask?.task;
assert.deepEqual([done?.completed, done?.dueOn], [true, null]);
const late = await ask(UpdateDocument, write);
assert.equal(late.errors?.[0]?.extensions.code, "CONFLICT");
assert.equal(late.errors?.[0]?.extensions.currentVersion, 2);

const input = { name: "Money", color: "GREEN" as const };
const money = (await ask(CreateProjectDocument, { input })).data?.createProject?.project;
assert(money);
assert.equal(money.color, "GREEN");
await ask(UpdateDocument, { id: rent.id, patch: { projectId: money.id } });
const filter = { projectIds: [money.id, null] };
const projects = await ask(ProjectsDocument, { first: 10, filter });
assert.deepEqual(projects.data?.projects.nodes, [
  {
    name: "Money",
    taskCount: 1,
    tasks: { nodes: [{ title: "Pay rent", project: { name: "Money" } }] },
  },
]);

await ask(DeleteDocument, { ids: [bank.id] });
const changes = (await ask(ChangesDocument, {})).data?.taskChanges.nodes;
assert.deepEqual(
  changes?.map((change) => [change.kind, change.taskId]),
  [
    ["SAVED", rent.id],
    ["PURGED", bank.id],
  ],
);
console.log("the flow went through");
