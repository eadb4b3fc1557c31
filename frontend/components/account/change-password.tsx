"use client";

import { useRouter } from "next/navigation";
import { useToast } from "@/components/toasts/toasts";
import { authClient } from "@/lib/auth-client";
import { CurrentPasswordField, FormProblem, NewPasswordField } from "./field";
import { requestOutcome } from "./problem";
import { textOf, useForm } from "./use-form";

export function ChangePassword({ email }: { email: string }) {
  const router = useRouter();
  const toast = useToast();
  const { form, problem, isPending, isDisabled } = useForm(async (data) => {
    const revokeOtherSessions = data.has("others");
    const outcome = await requestOutcome(() =>
      authClient.changePassword({
        currentPassword: textOf(data, "current"),
        newPassword: textOf(data, "password"),
        revokeOtherSessions,
      }),
    );
    if (outcome === null) {
      const also = revokeOtherSessions ? " You are signed out everywhere else." : "";
      toast({ message: `Your password is changed.${also}` });
      router.refresh();
    }
    return outcome;
  });

  return (
    <form {...form} className="mt-4">
      <fieldset className="grid max-w-sm gap-4" disabled={isDisabled}>
        <CurrentPasswordField email={email} label="Current password" problem={problem} />
        <NewPasswordField problem={problem} />
        <label className="flex items-center gap-2.5 text-sm">
          <input
            className="size-4.5 accent-accent"
            defaultChecked={true}
            name="others"
            type="checkbox"
          />
          Sign out everywhere else
        </label>
        <FormProblem problem={problem} />
        <button className="button justify-self-start" disabled={isPending} type="submit">
          {isPending ? "Changing…" : "Change password"}
        </button>
      </fieldset>
    </form>
  );
}
