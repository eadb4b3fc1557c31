// The same page, typed by gql.tada from the schema alone: nothing is generated for each document.
import { initGraphQLTada, type ResultOf, type VariablesOf } from "gql.tada";
import type { introspection } from "./introspection.d.ts";

const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { Date: string; DateTime: string };
}>();

const Page = graphql(`
  query Page($filter: TaskFilter) {
    tasks(first: 10, filter: $filter) {
      nodes { title priority dueOn labels }
    }
  }
`);

type Task = ResultOf<typeof Page>["tasks"]["nodes"][number];
export const task: Task = { title: "Pay rent", priority: "HIGH", dueOn: null, labels: [] };
export const variables: VariablesOf<typeof Page> = { filter: { status: ["OPEN"] } };

// @ts-expect-error a priority that the schema does not have, so that this check can fail
export const wrong: Task = { ...task, priority: "DIRE" };
