"use client";

import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useApp } from "@/components/tasks/tasks-context";
import { lengthProblem, oneLine } from "@/components/tasks/text";

type Props = {
  label: string;
  name: string;
  /**
   * Called once, with the typed name. The name is null if it was discarded or is empty. `base` is
   * the name before the edit. `isLeft` is whether another element has the focus now.
   */
  onClose: (name: string | null, closed: { base: string; isLeft: boolean }) => void;
};

/** The field for the name of a project. Enter, or leaving the field, saves the name. */
export function ProjectName({ label, name, onClose }: Props) {
  const { hold } = useApp();
  const [base] = useState(name);
  const [text, setText] = useState(name);
  const isClosed = useRef<boolean>(false);
  const id = useId();
  const typed = oneLine(text);
  const problem = lengthProblem("project name", typed);

  useEffect(() => hold(), [hold]);

  function close(result: string | null, isLeft = false) {
    // The browser also fires `blur` when the field is removed.
    if (isClosed.current) return;
    isClosed.current = true;
    onClose(result || null, { base, isLeft });
  }

  function onKeyDown(event: KeyboardEvent) {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    // Otherwise Escape would close the drawer, too.
    event.preventDefault();
    if (event.key === "Escape") close(null);
    else if (!problem) close(typed);
  }

  return (
    <div className="px-1 py-0.5">
      <input
        aria-describedby={`${id}-problem`}
        aria-invalid={problem !== null || undefined}
        aria-label={label}
        autoComplete="off"
        // biome-ignore lint/a11y/noAutofocus: the person asked to write here
        autoFocus={true}
        className="w-full rounded-md bg-surface px-2 py-1 outline-2 outline-accent"
        dir="auto"
        onBlur={() => close(problem ? null : typed, true)}
        onChange={(event) => setText(event.target.value)}
        onFocus={(event) => event.target.select()}
        onKeyDown={onKeyDown}
        value={text}
      />
      <p className="px-2 text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {problem}
      </p>
    </div>
  );
}
