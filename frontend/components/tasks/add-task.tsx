"use client";

import { Plus } from "lucide-react";
import { type FormEvent, useEffect, useId, useState } from "react";
import { useSession } from "@/components/graphql/graphql";
import { readDraft, writeDraft } from "./draft";

/** The line to write a task on. */
export function AddTask({ add }: { add: (title: string) => void }) {
  const { owner } = useSession();
  // Not known, and not to be typed over, until the browser has looked for a draft.
  const [title, setTitle] = useState<string | null>(null);
  const id = useId();

  useEffect(() => setTitle(readDraft(owner)), [owner]);

  function write(text: string) {
    setTitle(text);
    writeDraft(owner, text);
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    const trimmed = title?.trim();
    if (!trimmed) return;
    setTitle("");
    add(trimmed);
  }

  return (
    <form className="relative" onSubmit={onSubmit}>
      <label className="sr-only" htmlFor={id}>
        New task
      </label>
      <input
        autoComplete="off"
        className="field min-h-13 rounded-xl pr-14 pl-4 shadow-lift"
        enterKeyHint="done"
        id={id}
        disabled={title === null}
        maxLength={200}
        name="title"
        onChange={(event) => write(event.target.value)}
        placeholder="What needs doing?"
        value={title ?? ""}
      />
      <button
        aria-label="Add task"
        className="absolute inset-y-1.5 right-1.5 grid w-10 place-items-center rounded-lg bg-accent text-on-accent"
        type="submit"
      >
        <Plus aria-hidden="true" className="size-5" />
      </button>
    </form>
  );
}
