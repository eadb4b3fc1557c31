"use client";

import { type ChangeEvent, useState } from "react";
import { type Client, useClient } from "urql";
import type { Task } from "@/components/tasks/task";
import { MAX_AT_ONCE } from "@/components/tasks/task";
import { fromFile, toCsv, toJson } from "@/components/tasks/transfer";
import { type CreateTaskInput, CreateTasksDocument, TaskChangesDocument } from "@/gql/graphql";
import { explain, failureCode } from "@/lib/graphql";
import { useHydrated } from "@/lib/use-hydrated";
import { uuidv7 } from "@/lib/uuid";

async function allTasks(client: Client): Promise<Task[]> {
  const tasks = new Map<string, Task>();
  for (let after: string | null = null; ; ) {
    const { data, error } = await client.query(TaskChangesDocument, { after }).toPromise();
    if (!data) throw new Error(error ? explain(error) : "No answer.");
    for (const { taskId, task } of data.taskChanges.nodes) {
      if (task) tasks.set(taskId, task);
      else tasks.delete(taskId);
    }
    if (!data.taskChanges.pageInfo.hasNextPage) return [...tasks.values()];
    after = data.taskChanges.pageInfo.endCursor;
  }
}

function save(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

type Count = {
  /** As the file has them, now or since an earlier time. */
  added: number;
  /** Changed since, or deleted for good. */
  known: number;
};

/** A hundred at a time; where one of them is there already, one by one. */
async function create(client: Client, inputs: CreateTaskInput[]): Promise<Count> {
  const count = { added: 0, known: 0 };
  for (let start = 0; start < inputs.length; start += MAX_AT_ONCE) {
    const some = inputs.slice(start, start + MAX_AT_ONCE);
    const { error } = await client.mutation(CreateTasksDocument, { inputs: some }).toPromise();
    if (!error) count.added += some.length;
    else if (failureCode(error) !== "CONFLICT") throw new Error(explain(error));
    else if (some.length === 1) count.known += 1;
    else {
      for (const input of some) {
        const { added, known } = await create(client, [input]);
        count.added += added;
        count.known += known;
      }
    }
  }
  return count;
}

/** All of one's tasks as a file, and a file's tasks as one's own. */
export function TasksFile() {
  const client = useClient();
  const isHydrated = useHydrated();
  const [said, setSaid] = useState<{ text: string; isError: boolean } | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function run(work: () => Promise<string>) {
    setBusy(true);
    setSaid(null);
    try {
      setSaid({ text: await work(), isError: false });
    } catch (error) {
      const reason = error instanceof SyntaxError ? "This is no JSON file." : String(error);
      setSaid({ text: reason.replace(/^Error: /, ""), isError: true });
    }
    setBusy(false);
  }

  const exportJson = () =>
    run(async () => {
      const tasks = await allTasks(client);
      save("tasks.json", "application/json", toJson(tasks));
      return `Exported ${tasks.length} tasks.`;
    });

  const exportCsv = () =>
    run(async () => {
      const tasks = await allTasks(client);
      save("tasks.csv", "text/csv", await toCsv(tasks));
      return `Exported ${tasks.length} tasks.`;
    });

  function importFile(event: ChangeEvent<HTMLInputElement>) {
    const { files } = event.target;
    const file = files?.[0];
    if (!file) return;
    void run(async () => {
      const inputs = await fromFile(file.name, await file.text());
      const given = inputs.map((input) => ({ ...input, id: input.id ?? uuidv7() }));
      const { added, known } = await create(client, given);
      const also = known > 0 ? ` ${known} were here in another form, and stay as they are.` : "";
      return `${added} tasks of the file are here.${also}`;
    });
    event.target.value = "";
  }

  const isClosed = !isHydrated || isBusy;
  return (
    <>
      <div className="mt-4 flex flex-wrap gap-3">
        <button className="button" disabled={isClosed} onClick={exportJson} type="button">
          Export as JSON
        </button>
        <button className="button" disabled={isClosed} onClick={exportCsv} type="button">
          Export as CSV
        </button>
        <label className="button focus-within:outline-2 focus-within:outline-accent">
          Import a file
          <input
            accept=".json,.csv"
            className="sr-only"
            disabled={isClosed}
            onChange={importFile}
            type="file"
          />
        </label>
      </div>
      <p
        className={`mt-3 text-sm empty:hidden ${said?.isError ? "text-danger" : "text-muted"}`}
        role="status"
      >
        {isBusy ? "Working…" : said?.text}
      </p>
    </>
  );
}
