import { type FormEvent, useState } from "react";
import { useHydrated } from "@/lib/use-hydrated";
import type { Outcome, Problem } from "./problem";

/** Submit a form by script, once at a time. After a problem, its field gets the focus. */
export function useForm(send: (data: FormData) => Promise<Outcome>) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isPending, setPending] = useState(false);
  const isHydrated = useHydrated();

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    setPending(true);
    const outcome = await send(new FormData(form));
    if (outcome === "leaving") return;
    setPending(false);
    setProblem(outcome);
    if (outcome === null) form.reset();
    else if (outcome.field) {
      form.querySelector<HTMLInputElement>(`[name=${outcome.field}]`)?.focus();
    }
  }

  return {
    problem,
    isPending,
    /** Enabled once the page handles events: before that, a submission would be lost. */
    isDisabled: !isHydrated,
    /** `post`, so that a password never ends up in an address. */
    form: { method: "post", onSubmit } as const,
  };
}

/** Return the value of a text field. */
export const textOf = (data: FormData, name: string) => String(data.get(name) ?? "");
