"use client";

import dynamic from "next/dynamic";
import { useEffect, useState } from "react";
import type { Conflict } from "@/components/store/conflict";
import { tableOf } from "@/components/store/queue";
import { useTasks } from "./tasks-context";

const ConflictDialog = dynamic(async () => (await import("./conflict-dialog")).ConflictDialog);

const TYPED_INTO = "input:not([type=checkbox]), textarea, select";

/**
 * Call back when no field has the focus: now, or when the field is left. Returns what cancels it.
 */
function whenNotTyping(run: () => void): () => void {
  const check = () => {
    if (!document.activeElement?.matches(TYPED_INTO)) run();
  };
  // Not during the key press or click that led here: it would act on the dialog, too.
  let timer = setTimeout(check);
  const onFocusOut = () => {
    clearTimeout(timer);
    timer = setTimeout(check);
  };
  document.addEventListener("focusout", onFocusOut);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("focusout", onFocusOut);
  };
}

/**
 * Shows both texts of a conflict and lets the person choose. It opens when no field has the focus.
 * Closed without a choice, it can be opened again from a message on the page.
 */
export function Conflicts() {
  const { store, state } = useTasks();
  const [conflict] = state.conflicts;
  const [askedConflict, setAskedConflict] = useState<Conflict | null>(null);
  const [isOpen, setOpen] = useState(false);

  useEffect(() => {
    if (!conflict || conflict === askedConflict) return;
    return whenNotTyping(() => {
      setAskedConflict(conflict);
      setOpen(true);
    });
  }, [conflict, askedConflict]);

  if (!conflict) return null;
  if (isOpen && conflict === askedConflict) {
    return <ConflictDialog conflict={conflict} onClose={() => setOpen(false)} />;
  }
  return (
    <div
      className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-xl bg-wash px-3.5 py-2.5 text-sm"
      role="status"
    >
      <p className="min-w-0 flex-1 wrap-anywhere">
        “<bdi>{tableOf(store.tables, conflict.noun).noun.nameOf(conflict.theirs)}</bdi>” was changed
        here and elsewhere. Your text is kept until you choose a version.
      </p>
      <button
        className="link"
        onClick={() => {
          setAskedConflict(conflict);
          setOpen(true);
        }}
        type="button"
      >
        Choose a text
      </button>
    </div>
  );
}
