"use client";

import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { Dialog } from "@/components/dialog/dialog";
import { locales } from "@/lib/locales";
import { DialogButtons } from "./dialog-buttons";
import { type Imported, type ImportPlan, type Known, readAll, runImport } from "./import";
import { ImportPreview } from "./import-preview";
import { AskEncoding, AskOrder } from "./import-questions";
import { type Answers, type Reading, readFile } from "./read-file";
import { errorMessage } from "./transfer-error";

type Props = {
  name: string;
  bytes: Uint8Array;
  onClose: () => void;
  onDone: (imported: Imported) => void;
};

/**
 * Shows what an import will do, asks what the file does not tell, and runs the import. Nothing is
 * sent until the whole file was checked.
 */
export function ImportDialog({ name, bytes, onClose, onDone }: Props) {
  const client = useClient();
  const [answers, setAnswers] = useState<Answers>({});
  const [reading, setReading] = useState<Reading | null>(null);
  const [known, setKnown] = useState<Known | null>(null);
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
          readAll(client),
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
