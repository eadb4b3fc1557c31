"use client";

import { useRouter } from "next/navigation";
import { useToast } from "@/components/toasts/toasts";
import { authClient } from "@/lib/auth-client";
import { Field, FormProblem } from "./field";
import { requestOutcome } from "./problem";
import { textOf, useForm } from "./use-form";

export function ChangeName({ name }: { name: string }) {
  const router = useRouter();
  const toast = useToast();
  const { form, problem, isPending, isDisabled } = useForm(async (data) => {
    const outcome = await requestOutcome(() =>
      authClient.updateUser({ name: textOf(data, "name").trim() }),
    );
    if (outcome === null) {
      toast({ message: "Your name is changed." });
      router.refresh();
    }
    return outcome;
  });

  return (
    <form {...form} className="mt-4">
      <fieldset className="grid max-w-sm gap-4" disabled={isDisabled}>
        <Field
          autoComplete="name"
          defaultValue={name}
          dir="auto"
          key={name}
          label="Name"
          maxLength={100}
          name="name"
          pattern=".*\S.*"
          problem={problem}
          required={true}
        />
        <FormProblem problem={problem} />
        <button className="button justify-self-start" disabled={isPending} type="submit">
          {isPending ? "Saving…" : "Save the name"}
        </button>
      </fieldset>
    </form>
  );
}
