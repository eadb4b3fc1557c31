"use client";

import { type ReactNode, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { Dialog } from "@/components/dialog/dialog";
import { taskCount } from "@/components/tasks/task";
import { locales } from "@/lib/locales";
import type { DateOrder } from "./dates";
import { decodeAs, LEGACY_ENCODINGS, type LegacyEncoding, sampleOf } from "./decode";
import {
  countOverLimit,
  type Imported,
  type ImportPlan,
  type KnownTasks,
  MAX_TASKS,
  planImport,
  readAllTasks,
  runImport,
} from "./import";
import { type Answers, type Reading, readFile } from "./read-file";
import type { RowError } from "./table";
import { errorMessage } from "./transfer-error";

/** A file may have thousands of errors. */
const MAX_ERRORS_SHOWN = 10;

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

const verb = (count: number, one: string, many: string) => (count === 1 ? one : many);

type Props = {
  name: string;
  bytes: Uint8Array;
  onClose: () => void;
  onDone: (imported: Imported) => void;
};

type ParsedFile = Extract<Reading, { asks: null }>;

/**
 * Shows what an import will do, asks what the file does not tell, and runs the import. Nothing is
 * sent until the whole file was checked.
 */
export function ImportDialog({ name, bytes, onClose, onDone }: Props) {
  const client = useClient();
  const [answers, setAnswers] = useState<Answers>({});
  const [reading, setReading] = useState<Reading | null>(null);
  const [known, setKnown] = useState<KnownTasks | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [progress, setProgress] = useState<{ done: number; outage: string | null } | null>(null);
  const abort = useRef<AbortController>(null);
  const isSending = progress !== null;

  useEffect(() => {
    let isCurrent = true;
    async function read() {
      try {
        const [now, existing] = await Promise.all([
          readFile(bytes, answers, locales()),
          readAllTasks(client),
        ]);
        if (!isCurrent) return;
        setReading(now);
        setKnown(existing);
      } catch (error) {
        if (isCurrent) setProblem(errorMessage(error));
      }
    }
    void read();
    return () => {
      isCurrent = false;
    };
  }, [bytes, answers, client]);

  useEffect(() => {
    if (!isSending) return;
    const onLeave = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", onLeave);
    return () => window.removeEventListener("beforeunload", onLeave);
  }, [isSending]);

  async function start(plan: ImportPlan) {
    const controller = new AbortController();
    abort.current = controller;
    setProgress({ done: 0, outage: null });
    try {
      const imported = await runImport(client, plan, {
        signal: controller.signal,
        onProgress: (done) => setProgress({ done, outage: null }),
        onOutage: (outage) => setProgress((now) => now && { ...now, outage }),
      });
      onDone(imported);
    } catch (error) {
      setProblem(errorMessage(error));
    }
    setProgress(null);
  }

  const close = () => (isSending ? abort.current?.abort() : onClose());
  return (
    <Dialog onClose={close} title={`Import ${name}`}>
      {problem !== null && (
        <p className="mt-3 text-danger" role="alert">
          {problem}
        </p>
      )}
      {problem === null && progress && <ImportProgress {...progress} />}
      {problem === null && !progress && !(reading && known) && (
        <p className="mt-3 text-muted" role="status">
          Reading…
        </p>
      )}
      {problem === null && !progress && reading?.asks === "encoding" && (
        <AskEncoding
          bytes={bytes}
          onAnswer={(encoding) => setAnswers((before) => ({ ...before, encoding }))}
        />
      )}
      {problem === null && !progress && reading?.asks === "order" && (
        <AskOrder
          {...reading}
          onAnswer={(order) => setAnswers((before) => ({ ...before, order }))}
        />
      )}
      {problem === null && !progress && reading?.asks === null && known ? (
        <ImportPreview
          bytes={bytes}
          known={known}
          onClose={close}
          onStart={start}
          reading={reading}
        />
      ) : (
        <DialogButtons label={problem === null ? "Cancel" : "Close"} onClose={close} />
      )}
    </Dialog>
  );
}

type DialogButtonsProps = { label: "Cancel" | "Close"; onClose: () => void; children?: ReactNode };

function DialogButtons({ label, onClose, children }: DialogButtonsProps) {
  return (
    <div className="mt-6 flex justify-end gap-3">
      <button className="button" onClick={onClose} type="button">
        {label}
      </button>
      {children}
    </div>
  );
}

function ImportProgress({ done, outage }: { done: number; outage: string | null }) {
  return (
    <>
      <progress aria-label="Imported" className="mt-4 w-full" value={done} />
      <p className="mt-2 text-sm text-muted" role="status">
        {outage === null ? "Importing…" : `${outage} The import continues automatically.`}
      </p>
    </>
  );
}

type AskEncodingProps = { bytes: Uint8Array; onAnswer: (encoding: LegacyEncoding) => void };

/** Shows words of the file in each encoding, for the person to choose the right one. */
function AskEncoding({ bytes, onAnswer }: AskEncodingProps) {
  const [samples] = useState(() =>
    (Object.keys(LEGACY_ENCODINGS) as LegacyEncoding[]).flatMap((encoding) => {
      const text = decodeAs(bytes, encoding);
      return text === null ? [] : [{ encoding, sample: sampleOf(text) }];
    }),
  );
  return (
    <fieldset className="mt-3">
      <legend>
        This file does not say how its letters are encoded. Which of these reads right?
      </legend>
      <div className="mt-3 grid gap-2">
        {samples.map(({ encoding, sample }) => (
          <button
            className="button justify-between gap-4"
            key={encoding}
            onClick={() => onAnswer(encoding)}
            type="button"
          >
            <span className="min-w-0 truncate" dir="auto">
              {sample}
            </span>
            <span className="text-sm text-muted">{LEGACY_ENCODINGS[encoding]}</span>
          </button>
        ))}
      </div>
    </fieldset>
  );
}

type AskOrderProps = Extract<Reading, { asks: "order" }> & {
  onAnswer: (order: DateOrder) => void;
};

function AskOrder({ example, days, onAnswer }: AskOrderProps) {
  return (
    <fieldset className="mt-3">
      <legend>This file has the due day {example}. Which day is that?</legend>
      <div className="mt-3 flex flex-wrap gap-3">
        {(["day-first", "month-first"] as const).map((order) => (
          <button className="button" key={order} onClick={() => onAnswer(order)} type="button">
            {DAY.format(new Date(`${days[order]}T00:00:00Z`))}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

type ImportPreviewProps = {
  bytes: Uint8Array;
  known: KnownTasks;
  reading: ParsedFile;
  onStart: (plan: ImportPlan) => void;
  onClose: () => void;
};

/** Shows what the import will do, or why it is not possible. */
function ImportPreview({ bytes, known, reading, onStart, onClose }: ImportPreviewProps) {
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
