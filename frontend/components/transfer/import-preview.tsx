"use client";

import { useState } from "react";
import { taskCount } from "@/components/tasks/task";
import { DialogButtons } from "./dialog-buttons";
import { countOverLimit, type ImportPlan, type KnownTasks, MAX_TASKS, planImport } from "./import";
import type { Reading } from "./read-file";
import type { RowError } from "./table";

/** A file may have thousands of errors. */
const MAX_ERRORS_SHOWN = 10;

const verb = (count: number, one: string, many: string) => (count === 1 ? one : many);

type ParsedFile = Extract<Reading, { asks: null }>;

type ImportPreviewProps = {
  bytes: Uint8Array;
  known: KnownTasks;
  reading: ParsedFile;
  onStart: (plan: ImportPlan) => void;
  onClose: () => void;
};

/** Shows what the import will do, or why it is not possible. */
export function ImportPreview({ bytes, known, reading, onStart, onClose }: ImportPreviewProps) {
  const { tasks, rowErrors, unit, unknown, trashed } = reading;
  const [plan] = useState(() => planImport(bytes, tasks, known));
  const { create, restore, unchanged } = plan;
  const overLimit = countOverLimit(plan, known);
  const count = create.length + restore.length;
  if (rowErrors.length > 0) return <RowErrors {...{ unit, rowErrors, onClose }} />;
  return (
    <>
      <ul className="mt-3 grid gap-1.5">
        {create.length > 0 && <li>{taskCount(create.length)} will be added.</li>}
        {restore.length > 0 && (
          <li>
            {taskCount(restore.length)} {verb(restore.length, "is", "are")} in your trash and will
            be restored.
          </li>
        )}
        {unchanged > 0 && (
          <li>
            {taskCount(unchanged)} already {verb(unchanged, "exists and stays", "exist and stay")}{" "}
            unchanged.
          </li>
        )}
        {trashed > 0 && (
          <li>
            {taskCount(trashed)} {verb(trashed, "was", "were")} in the trash when the file was
            exported, and will be skipped.
          </li>
        )}
        {tasks.length + trashed === 0 && <li>This file has no tasks.</li>}
        {unknown.length > 0 && (
          <li className="text-muted">
            Skipped columns, because tasks have no such fields:{" "}
            {unknown.map((name) => `“${name}”`).join(", ")}.
          </li>
        )}
      </ul>
      {overLimit > 0 && (
        <p className="mt-3 text-danger" role="alert">
          {taskCount(overLimit)} {verb(overLimit, "does", "do")} not fit: you can have{" "}
          {MAX_TASKS.toLocaleString("en")} tasks, including those in the trash. Delete some
          permanently and import the file again.
        </p>
      )}
      <DialogButtons label={count > 0 ? "Cancel" : "Close"} onClose={onClose}>
        {count > 0 && (
          <button
            className="button button-primary"
            disabled={overLimit > 0}
            onClick={() => onStart(plan)}
            type="button"
          >
            Import {taskCount(count)}
          </button>
        )}
      </DialogButtons>
    </>
  );
}

type RowErrorsProps = {
  unit: ParsedFile["unit"];
  rowErrors: readonly RowError[];
  onClose: () => void;
};

function RowErrors({ unit, rowErrors, onClose }: RowErrorsProps) {
  const more = rowErrors.length - MAX_ERRORS_SHOWN;
  return (
    <>
      <p className="mt-3 text-danger" role="alert">
        Nothing was imported. Correct the file and import it again:
      </p>
      <ul className="mt-3 grid gap-1.5">
        {rowErrors.slice(0, MAX_ERRORS_SHOWN).map(({ number, reason }) => (
          <li className="wrap-anywhere" key={`${number}: ${reason}`}>
            <span className="font-medium">
              {unit} {number}:
            </span>{" "}
            {reason}.
          </li>
        ))}
        {more > 0 && <li className="text-muted">And {more.toLocaleString("en")} more.</li>}
      </ul>
      <DialogButtons label="Close" onClose={onClose} />
    </>
  );
}
