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
    "query Cursor { viewer { changeCursor } }": typeof types.CursorDocument,
    "\n  query OpenTasks { tasks(first: 100, filter: { status: [OPEN] }) { nodes { ...Shown } } }\n  fragment Shown on Task { id title completed trashedAt }\n": typeof types.OpenTasksDocument,
    "\n  subscription Changes($after: String!) { taskChanges(after: $after) { taskId task { ...Shown } } }\n": typeof types.ChangesDocument,
    "\n  mutation Create($title: String!) { createTask(input: { title: $title }) { task { ...Shown } } }\n": typeof types.CreateDocument,
    "\n  mutation Complete($id: ID!) { updateTask(id: $id, patch: { completed: true }) { task { ...Shown } } }\n": typeof types.CompleteDocument,
};
const documents: Documents = {
    "query Cursor { viewer { changeCursor } }": types.CursorDocument,
    "\n  query OpenTasks { tasks(first: 100, filter: { status: [OPEN] }) { nodes { ...Shown } } }\n  fragment Shown on Task { id title completed trashedAt }\n": types.OpenTasksDocument,
    "\n  subscription Changes($after: String!) { taskChanges(after: $after) { taskId task { ...Shown } } }\n": types.ChangesDocument,
    "\n  mutation Create($title: String!) { createTask(input: { title: $title }) { task { ...Shown } } }\n": types.CreateDocument,
    "\n  mutation Complete($id: ID!) { updateTask(id: $id, patch: { completed: true }) { task { ...Shown } } }\n": types.CompleteDocument,
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
export function graphql(source: "query Cursor { viewer { changeCursor } }"): (typeof documents)["query Cursor { viewer { changeCursor } }"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query OpenTasks { tasks(first: 100, filter: { status: [OPEN] }) { nodes { ...Shown } } }\n  fragment Shown on Task { id title completed trashedAt }\n"): (typeof documents)["\n  query OpenTasks { tasks(first: 100, filter: { status: [OPEN] }) { nodes { ...Shown } } }\n  fragment Shown on Task { id title completed trashedAt }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Changes($after: String!) { taskChanges(after: $after) { taskId task { ...Shown } } }\n"): (typeof documents)["\n  subscription Changes($after: String!) { taskChanges(after: $after) { taskId task { ...Shown } } }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Create($title: String!) { createTask(input: { title: $title }) { task { ...Shown } } }\n"): (typeof documents)["\n  mutation Create($title: String!) { createTask(input: { title: $title }) { task { ...Shown } } }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Complete($id: ID!) { updateTask(id: $id, patch: { completed: true }) { task { ...Shown } } }\n"): (typeof documents)["\n  mutation Complete($id: ID!) { updateTask(id: $id, patch: { completed: true }) { task { ...Shown } } }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;