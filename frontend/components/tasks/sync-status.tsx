"use client";

import { CloudOff } from "lucide-react";
import { useApp, useStored } from "./tasks-context";

/** Fewer pending edits are saved before a message could be read. */
const SHOW_COUNT_ABOVE = 5;

/** Shows why edits do not go through, and how many are pending. */
export function SyncStatus() {
  const { tryNow } = useApp();
  const { syncProblem, pendingCount } = useStored((one) => one.state());
  const changes = pendingCount === 1 ? "1 unsaved change" : `${pendingCount} unsaved changes`;
  return (
    <div role="status">
      {syncProblem === null && pendingCount > SHOW_COUNT_ABOVE && (
        <p className="mt-3 px-2 text-sm text-muted tabular-nums">Saving {pendingCount} changes…</p>
      )}
      {syncProblem !== null && (
        <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-xl bg-wash px-3.5 py-2.5 text-sm">
          <CloudOff aria-hidden="true" className="size-4 shrink-0 text-muted" />
          <p className="min-w-0 flex-1">
            {syncProblem}{" "}
            {pendingCount > 0 && (
              <span className="font-medium">{changes}, retrying automatically.</span>
            )}
          </p>
          <button className="link" onClick={tryNow} type="button">
            Retry now
          </button>
        </div>
      )}
    </div>
  );
}
