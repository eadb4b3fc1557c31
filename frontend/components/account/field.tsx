import { type ComponentProps, useId } from "react";
import type { Problem } from "./problem";

type Props = ComponentProps<"input"> & {
  name: string;
  label: string;
  hint?: string;
  /** The problem of the last submission. Shown here if it is about this field. */
  problem?: Problem | null;
};

/** An input with its label, a hint and its problem. */
export function Field({ label, hint, problem, ...input }: Props) {
  const id = useId();
  const isInvalid = problem?.field === input.name;
  return (
    <div className="grid gap-1.5">
      <label className="text-sm font-medium" htmlFor={id}>
        {label}
      </label>
      <input
        {...input}
        aria-describedby={isInvalid || hint ? `${id}-note` : undefined}
        aria-invalid={isInvalid || undefined}
        className="field"
        id={id}
      />
      <p
        className={`text-sm empty:hidden ${isInvalid ? "text-danger" : "text-muted"}`}
        id={`${id}-note`}
        role={isInvalid ? "alert" : undefined}
      >
        {isInvalid ? problem.message : hint}
      </p>
    </div>
  );
}

type PasswordProps = { problem: Problem | null };

/** The current password. */
export function CurrentPasswordField({
  email,
  label,
  problem,
}: PasswordProps & { email: string; label: string }) {
  return (
    <>
      {/* Tells a password manager whose password it is. */}
      <input autoComplete="username" defaultValue={email} hidden={true} readOnly={true} />
      <Field
        autoComplete="current-password"
        label={label}
        maxLength={128}
        name="current"
        problem={problem}
        required={true}
        type="password"
      />
    </>
  );
}

/** The new password. */
export function NewPasswordField({ problem }: PasswordProps) {
  return (
    <Field
      autoComplete="new-password"
      hint="At least 8 characters."
      label="New password"
      maxLength={128}
      minLength={8}
      name="password"
      problem={problem}
      required={true}
      type="password"
    />
  );
}

/** The result of a submission. Nothing is shown while it is null. */
export function FormNotice({ children }: { children: string | null }) {
  return (
    <p
      className="mt-4 rounded-lg bg-wash px-3.5 py-2.5 text-sm wrap-anywhere empty:hidden"
      role="status"
    >
      {children}
    </p>
  );
}

/** A problem that is not about one field. */
export function FormProblem({ problem }: { problem: Problem | null }) {
  return (
    <p className="text-sm text-danger empty:hidden" role="alert">
      {problem && !problem.field ? problem.message : null}
    </p>
  );
}
