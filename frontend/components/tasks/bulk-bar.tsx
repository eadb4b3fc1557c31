"use client";

import { Check, RotateCcw, Trash2, X } from "lucide-react";
import { DueButton } from "@/components/due/due-button";
import { useProjects } from "@/components/projects/use-projects";
import type { Priority } from "@/gql/graphql";
import { PRIORITIES, PRIORITY_NAMES, type Task } from "./task";
import { useApp, useView } from "./tasks-context";
import { labelProblem, normalizeLabel } from "./text";
import type { Actions } from "./use-actions";

type Props = {
  tasks: readonly Task[];
  actions: Actions;
  onAll: () => void;
  onClear: () => void;
  onDelete: () => void;
};

/** The actions for the selected tasks. */
export function BulkBar({ tasks, actions, onAll, onClear, onDelete }: Props) {
  const { today } = useApp();
  const { labels, view } = useView();
  const { active } = useProjects();
  const theirs = [...new Set(tasks.flatMap((task) => task.labels))].sort();
  const isCompleted = tasks.every(({ completed }) => completed);
  const dues = [...new Set(tasks.map(({ dueOn }) => dueOn))];

  return (
    <div aria-label="Selected tasks" className="bulk-bar" role="toolbar">
      <p className="px-2 text-sm font-medium whitespace-nowrap tabular-nums" role="status">
        {tasks.length} selected
      </p>
      {view.list === "trash" ? (
        <>
          <button className="bulk-button" onClick={() => actions.restore(tasks)} type="button">
            <RotateCcw aria-hidden="true" className="size-4" /> Restore
          </button>
          <button className="bulk-button" onClick={onDelete} type="button">
            <Trash2 aria-hidden="true" className="size-4" /> Delete permanently
          </button>
        </>
      ) : (
        <>
          <button
            className="bulk-button"
            onClick={() => actions.complete(tasks, !isCompleted)}
            type="button"
          >
            <Check aria-hidden="true" className="size-4" /> {isCompleted ? "Reopen" : "Complete"}
          </button>
          <DueButton
            className="bulk-button"
            day={dues.length === 1 ? dues[0] : undefined}
            label="Due date"
            onChange={(day) => actions.setDue(tasks, day)}
            today={today}
          >
            Due date
          </DueButton>
          <Choice
            label="Set priority"
            onChoose={(priority) => actions.setPriority(tasks, priority as Priority)}
            options={PRIORITIES.map((priority) => [priority, PRIORITY_NAMES[priority]])}
          />
          {active.length > 0 && (
            <Choice
              label="Move to project"
              onChoose={(id) => actions.setProject(tasks, id)}
              options={[
                ...active.map(({ id, name }) => [id, name] as const),
                ["none", "No project"],
              ]}
            />
          )}
          <AddLabel
            known={labels}
            onAdd={(label) => actions.addLabel(tasks, label)}
            tasks={tasks}
          />
          {theirs.length > 0 && (
            <Choice
              label="Remove label"
              onChoose={(label) => actions.removeLabel(tasks, label)}
              options={theirs.map((label) => [label, label])}
            />
          )}
          <button className="bulk-button" onClick={() => actions.trash(tasks)} type="button">
            <Trash2 aria-hidden="true" className="size-4" /> Trash
          </button>
        </>
      )}
      <button className="bulk-button" onClick={onAll} type="button">
        Select all
      </button>
      <button
        aria-label="Clear the selection"
        className="bulk-button"
        onClick={onClear}
        type="button"
      >
        <X aria-hidden="true" className="size-4" />
      </button>
    </div>
  );
}

type ChoiceProps = {
  label: string;
  options: readonly (readonly [value: string, name: string])[];
  onChoose: (value: string) => void;
};

/** A menu that runs the chosen option. It is the browser's own, which suits each device. */
function Choice({ label, options, onChoose }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      className="bulk-button appearance-none"
      onChange={(event) => onChoose(event.target.value)}
      value=""
    >
      <option disabled={true} hidden={true} value="">
        {label}
      </option>
      {options.map(([value, name]) => (
        <option dir="auto" key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}

type AddLabelProps = {
  known: readonly string[];
  tasks: readonly Task[];
  onAdd: (label: string) => void;
};

function AddLabel({ known, tasks, onAdd }: AddLabelProps) {
  function problemOf(label: string): string {
    const problems = tasks.map((task) => labelProblem(label, task.labels));
    return problems.find((problem) => problem !== null) ?? "";
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const label = normalizeLabel(String(new FormData(event.currentTarget).get("label")));
        if (label) onAdd(label);
        event.currentTarget.reset();
      }}
    >
      <input
        aria-label="Add label"
        autoComplete="off"
        className="bulk-button w-28 placeholder:text-paper/80"
        dir="auto"
        list="bulk-labels"
        name="label"
        // The browser shows this message and does not submit the form.
        onChange={({ target }) => target.setCustomValidity(problemOf(normalizeLabel(target.value)))}
        placeholder="Add label"
      />
      <datalist id="bulk-labels">
        {known.map((label) => (
          <option key={label} value={label} />
        ))}
      </datalist>
    </form>
  );
}
