"use client";

import { useState } from "react";
import { authClient } from "@/lib/auth-client";
import { CurrentPasswordField, Field, FormNotice, FormProblem } from "./field";
import { requestOutcome } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

type Props = { email: string; isConfirmed: boolean };

const request = (body: { email: string; password?: string }) =>
  requestOutcome(() => authClient.$fetch("/request-email", { method: "POST", body }));

/** The email address of the account. A mailed link confirms it or a new one. */
export function ChangeEmail({ email, isConfirmed }: Props) {
  const [sentTo, setSentTo] = useState<string | null>(null);
  const own = useForm(async () => {
    const outcome = await request({ email });
    if (outcome === null) setSentTo(email);
    return outcome;
  });
  const other = useForm(async (data) => {
    const wanted = textOf(data, "email");
    const outcome = await request({ email: wanted, password: textOf(data, "current") });
    if (outcome === null) setSentTo(wanted);
    return outcome;
  });

  return (
    <>
      <p className="mt-1 text-muted wrap-anywhere">
        You sign in as {email}
        {isConfirmed ? ", which you have confirmed." : ", which is not confirmed yet."}
      </p>
      {!isConfirmed && (
        <form {...own.form} className="mt-3 grid gap-2">
          <button
            className="button justify-self-start"
            disabled={own.isDisabled || own.isPending}
            type="submit"
          >
            {own.isPending ? "Sending…" : "Send a link to confirm it"}
          </button>
          <FormProblem problem={own.problem} />
        </form>
      )}
      <SubmitForm pending="Sending…" state={other} submit="Send confirmation link">
        <Field
          autoComplete="email"
          label="New email"
          maxLength={255}
          name="email"
          problem={other.problem}
          required={true}
          type="email"
        />
        <CurrentPasswordField email={email} label="Your password" problem={other.problem} />
      </SubmitForm>
      <FormNotice>
        {sentTo &&
          `A link is on its way to ${sentTo}. It works for one hour. Your email does not change until you open it.`}
      </FormNotice>
    </>
  );
}
