"use client";

import Link from "next/link";
import { useEffect, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { AuthPage } from "./auth-page";
import { NewPasswordField } from "./field";
import { requestProblem } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

type Props = {
  /** The token of the link; null if it is no longer valid, undefined if the address had none. */
  token: string | null | undefined;
};

export function NewPassword({ token: given }: Props) {
  // Kept in state: the token is removed from the address, and Next renders the page again without
  // it.
  const [token] = useState(given);

  useEffect(() => {
    window.history.replaceState(null, "", "/reset-password");
  }, []);

  const state = useForm(async (data) => {
    const newPassword = textOf(data, "password");
    const failure = await requestProblem(() =>
      authClient.resetPassword({ newPassword, token: token ?? "" }),
    );
    if (failure) return failure;
    window.location.assign("/sign-in?changed=1");
    return "leaving";
  });

  if (!token) {
    return (
      <AuthPage
        heading={token === null ? "This link no longer works" : "Open the emailed link again"}
      >
        <p className="mt-3 text-muted">
          {token === null
            ? "It was already used, or it is older than one hour."
            : "A reload removes the link from this page. Open it from your email again, or request a new one."}
        </p>
        <Link className="button button-primary mt-6" href="/forgot-password">
          Request a new link
        </Link>
      </AuthPage>
    );
  }

  return (
    <AuthPage heading="Choose a new password">
      <p className="mt-3 text-muted">
        Saving it signs you out everywhere. Then sign in with the new password.
      </p>
      <SubmitForm isMain={true} pending="Saving…" state={state} submit="Save the new password">
        <NewPasswordField problem={state.problem} />
      </SubmitForm>
      <p className="mt-6 text-sm text-muted">
        <Link className="link" href="/forgot-password">
          Request a new link
        </Link>
      </p>
    </AuthPage>
  );
}
