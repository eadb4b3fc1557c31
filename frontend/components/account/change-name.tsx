"use client";

import { useRouter } from "next/navigation";
import { useToast } from "@/components/toasts/toasts";
import { authClient } from "@/lib/auth-client";
import { Field } from "./field";
import { requestOutcome } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

export function ChangeName({ name }: { name: string }) {
  const router = useRouter();
  const toast = useToast();
  const state = useForm(async (data) => {
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
    <SubmitForm pending="Saving…" state={state} submit="Save the name">
      <Field
        autoComplete="name"
        defaultValue={name}
        dir="auto"
        key={name}
        label="Name"
        maxLength={100}
        name="name"
        pattern=".*\S.*"
        problem={state.problem}
        required={true}
      />
    </SubmitForm>
  );
}
