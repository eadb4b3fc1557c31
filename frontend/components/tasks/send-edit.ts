import type { AnyVariables, Client, CombinedError, TypedDocumentNode } from "urql";
import {
  CreateTasksDocument,
  DeleteTasksDocument,
  RestoreTasksDocument,
  TaskDocument,
  TrashTasksDocument,
  UpdateTaskDocument,
  UpdateTasksDocument,
} from "@/gql/graphql";
import { failureCode } from "@/lib/graphql";
import { type Edit, hasText } from "./edit";
import type { Replica } from "./replica";
import type { Task } from "./task";

export type Answer = {
  /** The tasks as the server has them now. */
  tasks: readonly Task[];
  error?: CombinedError | undefined;
  /** The server's task, when its text is not the one that was edited: nothing was written. */
  conflict?: Task;
};

/** Send an edit as one mutation. A text edit reads its task and tries again after a version mismatch. */
export async function sendEdit(client: Client, replica: Replica, edit: Edit): Promise<Answer> {
  async function mutate<D, V extends AnyVariables>(
    document: TypedDocumentNode<D, V>,
    variables: V,
  ): Promise<{ data?: D | undefined; error?: CombinedError | undefined }> {
    return await client.mutation(document, variables).toPromise();
  }

  switch (edit.kind) {
    case "create": {
      const { data, error } = await mutate(CreateTasksDocument, { inputs: edit.inputs });
      return { tasks: data?.createTasks?.tasks ?? [], error };
    }
    case "set": {
      const variables = { id: edit.id, patch: edit.patch };
      const { data, error } = await mutate(UpdateTaskDocument, variables);
      return { tasks: data?.updateTask ? [data.updateTask.task] : [], error };
    }
    case "write":
      return await sendText(client, replica, edit);
    case "set-many": {
      const variables = { ids: edit.ids, patch: edit.patch };
      const { data, error } = await mutate(UpdateTasksDocument, variables);
      return { tasks: data?.updateTasks?.tasks ?? [], error };
    }
    case "trash": {
      const { data, error } = await mutate(TrashTasksDocument, { ids: edit.ids });
      return { tasks: data?.trashTasks?.tasks ?? [], error };
    }
    case "restore": {
      const { data, error } = await mutate(RestoreTasksDocument, { ids: edit.ids });
      return { tasks: data?.restoreTasks?.tasks ?? [], error };
    }
    case "delete": {
      const { error } = await mutate(DeleteTasksDocument, { ids: edit.ids });
      return { tasks: [], error };
    }
  }
}

/**
 * Write a text if the server's task still has the text that was edited. If only other fields of the
 * task changed meanwhile, write over the newer version; if the text changed, report a conflict.
 */
async function sendText(
  client: Client,
  replica: Replica,
  { id, text, baseText }: Edit & { kind: "write" },
): Promise<Answer> {
  let current = replica.get(id);
  for (;;) {
    // An earlier try succeeded, and its answer was lost.
    if (current && hasText(current, text)) return { tasks: [] };
    if (current && !hasText(current, baseText)) return { tasks: [], conflict: current };
    const variables = { id, patch: text, expectedVersion: current?.version ?? null };
    const { data, error } = await client.mutation(UpdateTaskDocument, variables).toPromise();
    if (data?.updateTask) return { tasks: [data.updateTask.task] };
    if (!error || failureCode(error) !== "CONFLICT") return { tasks: [], error };
    const latest = await client.query(TaskDocument, { id }).toPromise();
    if (!latest.data?.task) return { tasks: [], error: latest.error };
    current = latest.data.task;
    replica.put([current]);
  }
}
