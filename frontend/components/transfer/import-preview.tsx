"use client";

import { useState } from "react";
import { MAX_PROJECTS, projectCount } from "@/components/projects/project";
import { taskCount } from "@/components/tasks/task";
import { isolateText } from "@/components/tasks/text";
import { DialogButtons } from "./dialog-buttons";
import { countOverLimit, type ImportPlan, type Known, MAX_TASKS, planImport } from "./import";
import type { Reading } from "./read-file";
import type { RowError } from "./table";

/** A file may have thousands of errors. */
const MAX_ERRORS_SHOWN = 10;

const MAX_NAMES_SHOWN = 5;

function namesOf(projects: readonly { name: string }[]): string {
  const names = projects.slice(0, MAX_NAMES_SHOWN).map(({ name }) => `“${isolateText(name)}”`);
  const more = projects.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}

const verb = (count: number, one: string, many: string) => (count === 1 ? one : many);

type ParsedFile = Extract<Reading, { asks: null }>;

type ImportPreviewProps = {
  bytes: Uint8Array;
  known: Known;
  reading: ParsedFile;
  onStart: (plan: ImportPlan) => void;
  onClose: () => void;
};

/** Shows what the import will do, or why it is not possible. */
export function ImportPreview({ bytes, known, reading, onStart, onClose }: ImportPreviewProps) {
  const { tasks, rowErrors, unit, unknown, trashed } = reading;
  const [plan] = useState(() => planImport(bytes, reading, known));
  const { create, restore, unchanged, projects } = plan;
  const overLimit = countOverLimit(plan, known);
  const count = create.length + restore.length;
  const hasWork = count + projects.length > 0;
  const isTooMuch = overLimit.tasks + overLimit.projects > 0;
  if (rowErrors.length > 0) return <RowErrors {...{ unit, rowErrors, onClose }} />;
  return (
    <>
      <ul className="mt-3 grid gap-1.5">
        {create.length > 0 && <li>{taskCount(create.length)} will be added.</li>}
        {projects.length > 0 && (
          <li className="wrap-anywhere">
            {projectCount(projects.length)} will be created: {namesOf(projects)}.
          </li>
        )}
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
        {tasks.length + trashed + reading.projects.length === 0 && (
          <li>This file has no tasks and no projects.</li>
        )}
        {unknown.length > 0 && (
          <li className="text-muted">
            Skipped columns, because tasks have no such fields:{" "}
            {unknown.map((name) => `“${name}”`).join(", ")}.
          </li>
        )}
      </ul>
      {overLimit.projects > 0 && (
        <p className="mt-3 text-danger" role="alert">
          {projectCount(overLimit.projects)} {verb(overLimit.projects, "does", "do")} not fit: you
          can have {MAX_PROJECTS} projects, including those in the trash.
        </p>
      )}
      {overLimit.tasks > 0 && (
        <p className="mt-3 text-danger" role="alert">
          {taskCount(overLimit.tasks)} {verb(overLimit.tasks, "does", "do")} not fit: you can have{" "}
          {MAX_TASKS.toLocaleString("en")} tasks, including those in the trash. Delete some
          permanently and import the file again.
        </p>
      )}
      <DialogButtons label={hasWork ? "Cancel" : "Close"} onClose={onClose}>
        {hasWork && (
          <button
            className="button button-primary"
            disabled={isTooMuch}
            onClick={() => onStart(plan)}
            type="button"
          >
            Import {count > 0 ? taskCount(count) : projectCount(projects.length)}
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
        {rowErrors.slice(0, MAX_ERRORS_SHOWN).map(({ number, reason, unit: own = unit }) => (
          <li className="wrap-anywhere" key={`${own} ${number}: ${reason}`}>
            <span className="font-medium">
              {own} {number}:
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
