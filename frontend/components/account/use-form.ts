import { type FormEvent, useState } from "react";
import { useHydrated } from "@/lib/use-hydrated";
import type { Outcome, Problem } from "./problem";

/** A form that is sent by script: once at a time, and the field that is to blame has the focus. */
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
    /** Opens once this page listens: sent before that, the form would go nowhere. */
    isDisabled: !isHydrated,
    /** `post`, so that a password could never end in an address. */
    form: { method: "post", onSubmit } as const,
  };
}

/** The text of a field that the form has. */
export const textOf = (data: FormData, name: string) => String(data.get(name) ?? "");
