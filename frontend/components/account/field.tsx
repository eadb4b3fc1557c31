import { type ComponentProps, useId } from "react";
import type { Problem } from "./problem";

type Props = ComponentProps<"input"> & {
  name: string;
  label: string;
  hint?: string;
  /** What the form's last try met: told with this field when it is the one to mend. */
  problem?: Problem | null;
};

/** One line of a form, with its label above and what is wrong with it below. */
export function Field({ label, hint, problem, ...input }: Props) {
  const id = useId();
  const isWrong = problem?.field === input.name;
  return (
    <div className="grid gap-1.5">
      <label className="text-sm font-medium" htmlFor={id}>
        {label}
      </label>
      <input
        {...input}
        aria-describedby={isWrong || hint ? `${id}-note` : undefined}
        aria-invalid={isWrong || undefined}
        className="field"
        id={id}
      />
      <p
        className={`text-sm empty:hidden ${isWrong ? "text-danger" : "text-muted"}`}
        id={`${id}-note`}
        role={isWrong ? "alert" : undefined}
      >
        {isWrong ? problem.message : hint}
      </p>
    </div>
  );
}

/** What no field is to blame for. */
export function FormProblem({ problem }: { problem: Problem | null }) {
  return (
    <p className="text-sm text-danger empty:hidden" role="alert">
      {problem && !problem.field ? problem.message : null}
    </p>
  );
}
