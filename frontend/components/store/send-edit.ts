import type { Client, CombinedError } from "urql";
import { failureCode } from "@/lib/graphql";
import { type Edit, hasText, type TextEdit } from "./edit";
import type { Document, Row } from "./noun";
import type { Table } from "./table";

export type Answer = {
  /** The rows as the server has them now. */
  rows: readonly Row[];
  error?: CombinedError | undefined;
  /** The server's row, when its text is not the one that was edited: nothing was written. */
  conflict?: Row;
};

/**
 * Send an edit as one mutation. A text edit reads its row and tries again after a version mismatch.
 */
export async function sendEdit(client: Client, table: Table, edit: Edit): Promise<Answer> {
  const { documents } = table.noun;

  async function mutate<D>(document: Document<{ saved: D | null }>, variables: object) {
    const { data, error } = await client.mutation(document, variables as never).toPromise();
    return { saved: data?.saved, error };
  }

  async function mutateMany(document: Document<{ saved: { rows: Row[] } | null }>, values: object) {
    const { saved, error } = await mutate(document, values);
    return { rows: saved?.rows ?? [], error };
  }

  switch (edit.kind) {
    case "create":
      return await mutateMany(documents.create, { inputs: edit.inputs });
    case "set": {
      const { saved, error } = await mutate(documents.update, { id: edit.id, patch: edit.patch });
      return { rows: saved ? [saved.row] : [], error };
    }
    case "write":
      return await sendText(client, table, edit);
    case "set-many": {
      if (!documents.updateMany) throw new Error(`${edit.noun} cannot be changed together`);
      return await mutateMany(documents.updateMany, { ids: edit.ids, patch: edit.patch });
    }
    case "trash":
      return await mutateMany(documents.trash, { ids: edit.ids });
    case "restore":
      return await mutateMany(documents.restore, { ids: edit.ids });
    case "delete": {
      const { error } = await mutate(documents.delete, { ids: edit.ids });
      return { rows: [], error };
    }
  }
}

/**
 * Write a text if the server's row still has the text that was edited. If only other fields of the
 * row changed meanwhile, write over the newer version; if the text changed, report a conflict.
 */
async function sendText(
  client: Client,
  { noun, replica }: Table,
  { id, text, baseText }: TextEdit,
): Promise<Answer> {
  const { update, one } = noun.documents;
  let current = replica.get(id);
  for (;;) {
    // An earlier try succeeded, and its answer was lost.
    if (current && hasText(current, text)) return { rows: [] };
    if (current && !hasText(current, baseText)) return { rows: [], conflict: current };
    const variables = { id, patch: text, expectedVersion: current?.version ?? null };
    const { data, error } = await client.mutation(update, variables as never).toPromise();
    if (data?.saved) return { rows: [data.saved.row] };
    if (!error || failureCode(error) !== "CONFLICT") return { rows: [], error };
    const latest = await client.query(one, { id } as never).toPromise();
    if (!latest.data?.row) return { rows: [], error: latest.error };
    current = latest.data.row;
    replica.put([current]);
  }
}
