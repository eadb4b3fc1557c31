"use client";

import { useState } from "react";
import { Dialog } from "@/components/dialog/dialog";
import { authClient } from "@/lib/auth-client";
import { useHydrated } from "@/lib/use-hydrated";
import { CurrentPasswordField, Field, FormProblem } from "./field";
import { requestOutcome } from "./problem";
import { announceSignOut, leave } from "./signed-out";
import { textOf, useForm } from "./use-form";

export function DeleteAccount({ email }: { email: string }) {
  const [isConfirming, setConfirming] = useState(false);
  const isHydrated = useHydrated();
  return (
    <>
      <button
        className="button button-danger mt-4"
        disabled={!isHydrated}
        onClick={() => setConfirming(true)}
        type="button"
      >
        Delete account
      </button>
      {isConfirming && <Confirm email={email} onClose={() => setConfirming(false)} />}
    </>
  );
}

function Confirm({ email, onClose }: { email: string; onClose: () => void }) {
  const { form, problem, isPending } = useForm(async (data) => {
    const outcome = await requestOutcome(() =>
      authClient.deleteUser({ password: textOf(data, "current") }),
    );
    if (outcome !== null) return outcome;
    announceSignOut();
    leave("/sign-up?deleted=1");
    return "leaving";
  });

  return (
    <Dialog onClose={onClose} title="Delete this account?">
      <p className="mt-2 text-muted wrap-anywhere">
        {email} and all its tasks will be deleted immediately and permanently. This cannot be
        undone.
      </p>
      <form {...form} className="mt-5 grid gap-4">
        <CurrentPasswordField email={email} label="Your password" problem={problem} />
        <Field
          autoCapitalize="none"
          autoComplete="off"
          hint="This protects you from a deletion by mistake."
          label="Type “delete” to confirm"
          name="confirmation"
          pattern="delete"
          required={true}
          title="delete"
        />
        <FormProblem problem={problem} />
        <div className="flex flex-wrap justify-end gap-3">
          <button className="button" onClick={onClose} type="button">
            Cancel
          </button>
          <button className="button button-danger" disabled={isPending} type="submit">
            {isPending ? "Deleting…" : "Delete permanently"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
