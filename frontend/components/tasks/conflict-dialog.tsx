"use client";

import { useEffect, useState } from "react";
import { Dialog } from "@/components/dialog/dialog";
import type { Conflict } from "@/components/store/conflict";
import { pick } from "@/components/store/edit";
import type { Text } from "@/components/store/noun";
import { tableOf } from "@/components/store/queue";
import { useApp, useStored } from "./tasks-context";

const NAMES: Readonly<Record<string, string>> = {
  name: "Name",
  title: "Title",
  description: "Description",
};

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
  const [conflict] = useStored((one) => one.state().conflicts);
  const [askedConflict, setAskedConflict] = useState<Conflict | null>(null);
  const [isOpen, setOpen] = useState(false);
  const noun = useStored(({ tables }) => conflict && tableOf(tables, conflict.noun).noun);

  useEffect(() => {
    if (!conflict || conflict === askedConflict) return;
    return whenNotTyping(() => {
      setAskedConflict(conflict);
      setOpen(true);
    });
  }, [conflict, askedConflict]);

  if (!(conflict && noun)) return null;
  if (isOpen && conflict === askedConflict) {
    return <ConflictDialog conflict={conflict} onClose={() => setOpen(false)} />;
  }
  return (
    <div
      className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-xl bg-wash px-3.5 py-2.5 text-sm"
      role="status"
    >
      <p className="min-w-0 flex-1 wrap-anywhere">
        “<bdi>{noun.nameOf(conflict.theirs)}</bdi>” was changed here and elsewhere. Your text is
        kept until you choose a version.
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

type Props = { conflict: Conflict; onClose: () => void };

function ConflictDialog({ conflict, onClose }: Props) {
  const { resolveConflict } = useApp();
  const { mine, theirs } = conflict;
  const noun = useStored(({ tables }) => tableOf(tables, conflict.noun).noun);
  return (
    <Dialog onClose={onClose} title={`This ${noun.singular} was changed elsewhere`}>
      {/* Gets the focus first, so that Enter chooses neither text. */}
      <div className="outline-none" tabIndex={-1}>
        <p className="mt-1 text-muted wrap-anywhere">
          While you were typing, “<bdi>{noun.nameOf(theirs)}</bdi>” was changed on another device or
          in another tab. Which version do you want to keep?
        </p>
        <div className="mt-4 grid gap-3 sm:grid-cols-2">
          <TextVersion heading="Yours" text={mine} />
          <TextVersion heading="The other one" text={pick(theirs, mine)} />
        </div>
      </div>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button className="button" onClick={() => resolveConflict("theirs")} type="button">
          Keep the other one
        </button>
        <button
          className="button button-primary"
          onClick={() => resolveConflict("mine")}
          type="button"
        >
          Keep mine
        </button>
      </div>
    </Dialog>
  );
}

type TextVersionProps = { heading: string; text: Text };

function TextVersion({ heading, text }: TextVersionProps) {
  return (
    <section aria-label={heading} className="rounded-xl border border-line bg-paper p-3.5">
      <h3 className="text-xs font-medium text-muted">{heading}</h3>
      {Object.entries(text).map(([name, value]) => (
        <p
          className="mt-1.5 max-h-48 overflow-y-auto text-sm whitespace-pre-wrap wrap-anywhere"
          dir="auto"
          key={name}
        >
          <span className="sr-only">{NAMES[name]}: </span>
          {value || "(empty)"}
        </p>
      ))}
    </section>
  );
}
