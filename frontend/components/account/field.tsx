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

/** The password that the person has. */
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

/** The one that they shall have. */
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

/** What came of it, said when it is there. */
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

/** What no field is to blame for. */
export function FormProblem({ problem }: { problem: Problem | null }) {
  return (
    <p className="text-sm text-danger empty:hidden" role="alert">
      {problem && !problem.field ? problem.message : null}
    </p>
  );
}
