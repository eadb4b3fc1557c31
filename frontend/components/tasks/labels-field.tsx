"use client";

import { X } from "lucide-react";
import { useId, useState } from "react";
import { useView } from "./tasks-context";
import { labelProblem, normalizeLabel } from "./text";

type Props = {
  labels: readonly string[];
  onAdd: (label: string) => void;
  onRemove: (label: string) => void;
};

/**
 * The labels of a task with a button to remove each, and a field to add one, which suggests known
 * labels.
 */
export function LabelsField({ labels, onAdd, onRemove }: Props) {
  const known = useView().labels;
  const [text, setText] = useState("");
  const id = useId();
  const label = normalizeLabel(text);
  const problem = labelProblem(label, labels);

  function add() {
    if (problem) return;
    if (label) onAdd(label);
    setText("");
  }

  return (
    <div className="flex flex-wrap items-center gap-1.5">
      {labels.map((one) => (
        <span className="chip h-7 pr-0.5 text-sm" key={one}>
          <bdi>{one}</bdi>
          <button
            aria-label={`Remove the label ${one}`}
            className="grid size-6 place-items-center rounded-full hover:bg-line"
            onClick={() => onRemove(one)}
            type="button"
          >
            <X aria-hidden="true" className="size-3" />
          </button>
        </span>
      ))}
      <input
        aria-describedby={`${id}-problem`}
        aria-invalid={problem !== null || undefined}
        aria-label="Add a label"
        autoComplete="off"
        className="h-9 w-32 min-w-0 flex-1 rounded-lg bg-transparent px-2 text-sm placeholder:text-muted"
        dir="auto"
        list={`${id}-known`}
        onBlur={add}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add();
        }}
        placeholder="Add a label"
        value={text}
      />
      <datalist id={`${id}-known`}>
        {known
          .filter((one) => !labels.includes(one))
          .map((one) => (
            <option key={one} value={one} />
          ))}
      </datalist>
      <p className="basis-full text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {problem}
      </p>
    </div>
  );
}
