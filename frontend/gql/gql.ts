/* eslint-disable */
import * as types from './graphql';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "fragment TaskFields on Task {\n  id\n  title\n  description\n  completed\n  completedAt\n  priority\n  dueOn\n  labels\n  position\n  version\n  createdAt\n  updatedAt\n  trashedAt\n}\n\nquery FirstPage($first: Int!, $filter: TaskFilter!, $orderBy: TaskOrder!) {\n  tasks(first: $first, filter: $filter, orderBy: $orderBy) {\n    nodes {\n      ...TaskFields\n    }\n  }\n}\n\nquery TaskChanges($after: String) {\n  changes: taskChanges(first: 100, after: $after) {\n    nodes {\n      id: taskId\n      row: task {\n        ...TaskFields\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery Task($id: ID!) {\n  row: task(id: $id) {\n    ...TaskFields\n  }\n}\n\nmutation CreateTasks($inputs: [CreateTaskInput!]!) {\n  saved: createTasks(inputs: $inputs) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTask($id: ID!, $patch: TaskPatch!, $expectedVersion: Int) {\n  saved: updateTask(id: $id, patch: $patch, expectedVersion: $expectedVersion) {\n    row: task {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTasks($ids: [ID!]!, $patch: TasksPatch!) {\n  saved: updateTasks(ids: $ids, patch: $patch) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation TrashTasks($ids: [ID!]!) {\n  saved: trashTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation RestoreTasks($ids: [ID!]!) {\n  saved: restoreTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation DeleteTasks($ids: [ID!]!) {\n  saved: deleteTasks(ids: $ids) {\n    deletedIds\n  }\n}": typeof types.TaskFieldsFragmentDoc,
};
const documents: Documents = {
    "fragment TaskFields on Task {\n  id\n  title\n  description\n  completed\n  completedAt\n  priority\n  dueOn\n  labels\n  position\n  version\n  createdAt\n  updatedAt\n  trashedAt\n}\n\nquery FirstPage($first: Int!, $filter: TaskFilter!, $orderBy: TaskOrder!) {\n  tasks(first: $first, filter: $filter, orderBy: $orderBy) {\n    nodes {\n      ...TaskFields\n    }\n  }\n}\n\nquery TaskChanges($after: String) {\n  changes: taskChanges(first: 100, after: $after) {\n    nodes {\n      id: taskId\n      row: task {\n        ...TaskFields\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery Task($id: ID!) {\n  row: task(id: $id) {\n    ...TaskFields\n  }\n}\n\nmutation CreateTasks($inputs: [CreateTaskInput!]!) {\n  saved: createTasks(inputs: $inputs) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTask($id: ID!, $patch: TaskPatch!, $expectedVersion: Int) {\n  saved: updateTask(id: $id, patch: $patch, expectedVersion: $expectedVersion) {\n    row: task {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTasks($ids: [ID!]!, $patch: TasksPatch!) {\n  saved: updateTasks(ids: $ids, patch: $patch) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation TrashTasks($ids: [ID!]!) {\n  saved: trashTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation RestoreTasks($ids: [ID!]!) {\n  saved: restoreTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation DeleteTasks($ids: [ID!]!) {\n  saved: deleteTasks(ids: $ids) {\n    deletedIds\n  }\n}": types.TaskFieldsFragmentDoc,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment TaskFields on Task {\n  id\n  title\n  description\n  completed\n  completedAt\n  priority\n  dueOn\n  labels\n  position\n  version\n  createdAt\n  updatedAt\n  trashedAt\n}\n\nquery FirstPage($first: Int!, $filter: TaskFilter!, $orderBy: TaskOrder!) {\n  tasks(first: $first, filter: $filter, orderBy: $orderBy) {\n    nodes {\n      ...TaskFields\n    }\n  }\n}\n\nquery TaskChanges($after: String) {\n  changes: taskChanges(first: 100, after: $after) {\n    nodes {\n      id: taskId\n      row: task {\n        ...TaskFields\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery Task($id: ID!) {\n  row: task(id: $id) {\n    ...TaskFields\n  }\n}\n\nmutation CreateTasks($inputs: [CreateTaskInput!]!) {\n  saved: createTasks(inputs: $inputs) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTask($id: ID!, $patch: TaskPatch!, $expectedVersion: Int) {\n  saved: updateTask(id: $id, patch: $patch, expectedVersion: $expectedVersion) {\n    row: task {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTasks($ids: [ID!]!, $patch: TasksPatch!) {\n  saved: updateTasks(ids: $ids, patch: $patch) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation TrashTasks($ids: [ID!]!) {\n  saved: trashTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation RestoreTasks($ids: [ID!]!) {\n  saved: restoreTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation DeleteTasks($ids: [ID!]!) {\n  saved: deleteTasks(ids: $ids) {\n    deletedIds\n  }\n}"): (typeof documents)["fragment TaskFields on Task {\n  id\n  title\n  description\n  completed\n  completedAt\n  priority\n  dueOn\n  labels\n  position\n  version\n  createdAt\n  updatedAt\n  trashedAt\n}\n\nquery FirstPage($first: Int!, $filter: TaskFilter!, $orderBy: TaskOrder!) {\n  tasks(first: $first, filter: $filter, orderBy: $orderBy) {\n    nodes {\n      ...TaskFields\n    }\n  }\n}\n\nquery TaskChanges($after: String) {\n  changes: taskChanges(first: 100, after: $after) {\n    nodes {\n      id: taskId\n      row: task {\n        ...TaskFields\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery Task($id: ID!) {\n  row: task(id: $id) {\n    ...TaskFields\n  }\n}\n\nmutation CreateTasks($inputs: [CreateTaskInput!]!) {\n  saved: createTasks(inputs: $inputs) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTask($id: ID!, $patch: TaskPatch!, $expectedVersion: Int) {\n  saved: updateTask(id: $id, patch: $patch, expectedVersion: $expectedVersion) {\n    row: task {\n      ...TaskFields\n    }\n  }\n}\n\nmutation UpdateTasks($ids: [ID!]!, $patch: TasksPatch!) {\n  saved: updateTasks(ids: $ids, patch: $patch) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation TrashTasks($ids: [ID!]!) {\n  saved: trashTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation RestoreTasks($ids: [ID!]!) {\n  saved: restoreTasks(ids: $ids) {\n    rows: tasks {\n      ...TaskFields\n    }\n  }\n}\n\nmutation DeleteTasks($ids: [ID!]!) {\n  saved: deleteTasks(ids: $ids) {\n    deletedIds\n  }\n}"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;