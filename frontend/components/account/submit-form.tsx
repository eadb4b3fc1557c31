import type { ReactNode } from "react";
import { FormProblem } from "./field";
import type { useForm } from "./use-form";

type Props = {
  state: ReturnType<typeof useForm>;
  /** The text of the button, and its text while the form is being sent. */
  submit: string;
  pending: string;
  /** Whether the form is the main content of its page. */
  isMain?: boolean;
  /** The fields. */
  children?: ReactNode;
};

/** A form with its fields, its problem and its button. */
export function SubmitForm({ state, submit, pending, isMain = false, children }: Props) {
  return (
    <form {...state.form} className={isMain ? "mt-6" : "mt-4"}>
      <fieldset className={`grid gap-4 ${isMain ? "" : "max-w-sm"}`} disabled={state.isDisabled}>
        {children}
        <FormProblem problem={state.problem} />
        <button
          className={isMain ? "button button-primary" : "button justify-self-start"}
          disabled={state.isPending}
          type="submit"
        >
          {state.isPending ? pending : submit}
        </button>
      </fieldset>
    </form>
  );
}
