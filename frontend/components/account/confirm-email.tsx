"use client";

import Link from "next/link";
import { useEffect, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { HOME } from "@/lib/next-path";
import { AuthPage } from "./auth-page";
import { requestProblem } from "./problem";
import { SubmitForm } from "./submit-form";
import { useForm } from "./use-form";

type Props = {
  token: string;
  /** The address that the link confirms; null if the link is no longer valid. */
  email: string | null;
};

/**
 * The page that a mailed link opens. It asks for a click, because mail scanners open links, too.
 */
export function ConfirmEmail(given: Props) {
  // Kept in state: the token is removed from the address, and Next renders the page again without
  // it.
  const [{ token, email }] = useState(given);
  const [isDone, setDone] = useState(false);

  useEffect(() => {
    window.history.replaceState(null, "", "/confirm-email");
  }, []);

  const state = useForm(async () => {
    const failure = await requestProblem(() =>
      authClient.$fetch("/confirm-email", { method: "POST", body: { token } }),
    );
    if (!failure) setDone(true);
    // The form has no field that could show a problem of its own.
    return failure && { message: failure.message };
  });

  if (email === null) {
    return (
      <AuthPage heading="This link no longer works">
        <p className="mt-3 text-muted">
          It was already used, it is older than one hour, or your password has changed.
        </p>
        <Link className="button button-primary mt-6" href="/account">
          Request a new link
        </Link>
      </AuthPage>
    );
  }

  if (isDone) {
    return (
      <AuthPage heading="Your address is confirmed">
        <p className="mt-3 text-muted wrap-anywhere">You sign in as {email} from now on.</p>
        <Link className="button button-primary mt-6" href={HOME}>
          Go to your tasks
        </Link>
      </AuthPage>
    );
  }

  return (
    <AuthPage heading="Is this your address?">
      <p className="mt-3 text-muted wrap-anywhere">You will sign in as {email}.</p>
      <SubmitForm isMain={true} pending="Confirming…" state={state} submit="Confirm the address" />
    </AuthPage>
  );
}
