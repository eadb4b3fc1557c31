"use client";

import { Dialog } from "@/components/dialog/dialog";
import type { Conflict } from "@/components/store/conflict";
import { pick } from "@/components/store/edit";
import type { Text } from "@/components/store/noun";
import { tableOf } from "@/components/store/queue";
import { useTasks } from "./tasks-context";

const NAMES: Readonly<Record<string, string>> = {
  name: "Name",
  title: "Title",
  description: "Description",
};

type Props = { conflict: Conflict; onClose: () => void };

/** Shows both texts of a conflict, of which the person chooses one. */
export function ConflictDialog({ conflict, onClose }: Props) {
  const { store } = useTasks();
  const { mine, theirs } = conflict;
  const { noun } = tableOf(store.tables, conflict.noun);
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
        <button className="button" onClick={() => store.resolveConflict("theirs")} type="button">
          Keep the other one
        </button>
        <button
          className="button button-primary"
          onClick={() => store.resolveConflict("mine")}
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
