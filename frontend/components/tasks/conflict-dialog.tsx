"use client";

import { Dialog } from "@/components/dialog/dialog";
import type { Text } from "./edit";
import { useTasks } from "./tasks-context";

const NAMES: Readonly<Record<keyof Text, string>> = { title: "Title", description: "Description" };

/** A text that was changed here and elsewhere at once: both, and the person chooses. */
export function ConflictDialog() {
  const { store, state } = useTasks();
  const [conflict] = state.conflicts;
  if (!conflict) return null;
  const { mine, theirs } = conflict;
  const names = Object.keys(mine) as (keyof Text)[];
  return (
    <Dialog
      key={conflict.id}
      onClose={() => store.settleConflict("theirs")}
      title="This task was changed elsewhere"
    >
      <p className="mt-1 text-muted wrap-anywhere">
        While you were writing, “{theirs.title}” was changed in another place. Which text shall it
        be?
      </p>
      <div className="mt-4 grid gap-3 sm:grid-cols-2">
        <Side heading="Yours" names={names} text={mine} />
        <Side heading="The other one" names={names} text={theirs} />
      </div>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button className="button" onClick={() => store.settleConflict("theirs")} type="button">
          Keep the other one
        </button>
        <button
          className="button button-primary"
          onClick={() => store.settleConflict("mine")}
          type="button"
        >
          Keep mine
        </button>
      </div>
    </Dialog>
  );
}

type SideProps = { heading: string; names: (keyof Text)[]; text: Text };

function Side({ heading, names, text }: SideProps) {
  return (
    <section aria-label={heading} className="rounded-xl border border-line bg-paper p-3.5">
      <h3 className="text-xs font-medium text-muted">{heading}</h3>
      {names.map((name) => (
        <p
          className="mt-1.5 max-h-48 overflow-y-auto text-sm whitespace-pre-wrap wrap-anywhere"
          key={name}
        >
          <span className="sr-only">{NAMES[name]}: </span>
          {text[name] || "(empty)"}
        </p>
      ))}
    </section>
  );
}
