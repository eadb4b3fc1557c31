"use client";

import { useRouter } from "next/navigation";
import { useToast } from "@/components/toasts/toasts";
import { authClient } from "@/lib/auth-client";
import { CurrentPasswordField, NewPasswordField } from "./field";
import { requestOutcome } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

export function ChangePassword({ email }: { email: string }) {
  const router = useRouter();
  const toast = useToast();
  const state = useForm(async (data) => {
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
    <SubmitForm pending="Changing…" state={state} submit="Change password">
      <CurrentPasswordField email={email} label="Current password" problem={state.problem} />
      <NewPasswordField problem={state.problem} />
      <label className="flex items-center gap-2.5 text-sm">
        <input
          className="size-4.5 accent-accent"
          defaultChecked={true}
          name="others"
          type="checkbox"
        />
        Sign out everywhere else
      </label>
    </SubmitForm>
  );
}
