"use client";

import Link from "next/link";
import { useState } from "react";
import { authClient } from "@/lib/auth-client";
import { AuthPage } from "./auth-page";
import { Field, FormNotice } from "./field";
import { requestProblem } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

/**
 * Requests a link to choose a new password. The message is the same for addresses without an
 * account.
 */
export function ForgotPassword() {
  const [sentTo, setSentTo] = useState<string | null>(null);
  const state = useForm(async (data) => {
    const email = textOf(data, "email");
    const failure = await requestProblem(() => authClient.requestPasswordReset({ email }));
    if (!failure) setSentTo(email);
    return failure;
  });

  return (
    <AuthPage heading="Choose a new password">
      <p className="mt-3 text-muted">
        Enter your email. We will send you a link that works for one hour.
      </p>
      <SubmitForm isMain={true} pending="Sending…" state={state} submit="Send the link">
        <Field
          autoComplete="username"
          label="Email"
          maxLength={255}
          name="email"
          problem={state.problem}
          required={true}
          type="email"
        />
      </SubmitForm>
      <FormNotice>
        {sentTo &&
          `If there is an account for ${sentTo}, the link is on its way. Check your spam folder, too.`}
      </FormNotice>
      <p className="mt-6 text-sm text-muted">
        <Link className="link" href="/sign-in">
          Back to sign in
        </Link>
      </p>
    </AuthPage>
  );
}
