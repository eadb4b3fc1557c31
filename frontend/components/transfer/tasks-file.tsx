"use client";

import { type ChangeEvent, useState } from "react";
import { useClient } from "urql";
import { projectCount } from "@/components/projects/project";
import { taskCount } from "@/components/tasks/task";
import { locales } from "@/lib/locales";
import { useHydrated } from "@/lib/use-hydrated";
import { type Exported, toCsv, toJson } from "./export";
import { type Imported, readAll, undoImport } from "./import";
import { ImportDialog } from "./import-dialog";
import { errorMessage } from "./transfer-error";

function download(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

type Status = { text: string; isError?: boolean; undo?: Imported };

/** Return "12 tasks and 1 project", or "12 tasks" if there are no projects. */
function countOf({ tasks, projects }: Record<"tasks" | "projects", readonly unknown[]>): string {
  const counts = [taskCount(tasks.length), projects.length > 0 && projectCount(projects.length)];
  return counts.filter(Boolean).join(" and ");
}

/** Exports all tasks and projects as a file, and imports a file. */
export function TasksFile() {
  const client = useClient();
  const isHydrated = useHydrated();
  const [status, setStatus] = useState<Status | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [file, setFile] = useState<{ name: string; bytes: Uint8Array } | null>(null);

  async function run(work: () => Promise<Status | null>) {
    setBusy(true);
    setStatus(null);
    try {
      setStatus(await work());
    } catch (error) {
      setStatus({ text: errorMessage(error), isError: true });
    }
    setBusy(false);
  }

  async function exported(write: (all: Exported) => Promise<void>): Promise<Status> {
    const known = await readAll(client);
    const tasks = [...known.tasks.values()].filter((task) => task !== null);
    const projects = [...known.projects.values()].filter((project) => project !== null);
    await write({ tasks, projects });
    return { text: `Exported ${countOf({ tasks, projects })}.` };
  }

  const exportJson = () =>
    run(() => exported(async (all) => download("tasks.json", "application/json", toJson(all))));

  const exportCsv = () =>
    run(() =>
      exported(async (all) =>
        download("tasks.csv", "text/csv;charset=utf-8", await toCsv(all, locales()[0])),
      ),
    );

  function choose(event: ChangeEvent<HTMLInputElement>) {
    const chosen = event.target.files?.[0];
    if (!chosen) return;
    void run(async () => {
      setFile({ name: chosen.name, bytes: new Uint8Array(await chosen.arrayBuffer()) });
      return null;
    });
    // So that the same file can be chosen again after a correction.
    event.target.value = "";
  }

  function onDone(imported: Imported) {
    setFile(null);
    setStatus({ text: `Imported ${countOf(imported)}.`, undo: imported });
  }

  const undo = (imported: Imported) =>
    run(async () => {
      const problem = await undoImport(client, imported);
      if (problem !== null) return { text: problem, isError: true, undo: imported };
      return { text: `Moved ${countOf(imported)} to the trash.` };
    });

  const isDisabled = !isHydrated || isBusy;
  return (
    <>
      <div className="mt-4 flex flex-wrap gap-3">
        <button className="button" disabled={isDisabled} onClick={exportJson} type="button">
          Export as JSON
        </button>
        <button className="button" disabled={isDisabled} onClick={exportCsv} type="button">
          Export as CSV
        </button>
        <label className="button focus-within:outline-2 focus-within:outline-accent">
          Import a file
          <input
            accept=".json,.csv,.tsv,.txt"
            className="sr-only"
            disabled={isDisabled}
            onChange={choose}
            type="file"
          />
        </label>
      </div>
      <p
        className={`mt-3 text-sm empty:hidden ${status?.isError ? "text-danger" : "text-muted"}`}
        role="status"
      >
        {isBusy ? "Working…" : status?.text}
        {!isBusy && status?.undo && (
          <>
            {" "}
            <button
              className="link"
              onClick={() => status.undo && void undo(status.undo)}
              type="button"
            >
              Undo
            </button>
          </>
        )}
      </p>
      {file && <ImportDialog {...file} onClose={() => setFile(null)} onDone={onDone} />}
    </>
  );
}
