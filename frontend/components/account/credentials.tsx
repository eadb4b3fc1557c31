"use client";

import Link from "next/link";
import { EraseOfflineCopy } from "@/components/offline/erase-offline-copy";
import { authClient } from "@/lib/auth-client";
import { AuthPage } from "./auth-page";
import { Field } from "./field";
import { requestProblem } from "./problem";
import { SubmitForm } from "./submit-form";
import { textOf, useForm } from "./use-form";

type Props = {
  intent: "sign-in" | "sign-up";
  /** The path of this app to open afterwards. */
  next: string;
  /** Shown above the form. */
  notice?: string | undefined;
};

const TEXTS = {
  "sign-in": {
    heading: "Welcome back",
    submit: "Sign in",
    pending: "Signing in…",
    other: "New here?",
    otherLink: "Create an account",
    otherPath: "/sign-up",
  },
  "sign-up": {
    heading: "Create your account",
    submit: "Create account",
    pending: "Creating…",
    other: "Already have an account?",
    otherLink: "Sign in",
    otherPath: "/sign-in",
  },
} as const;

/** Better Auth needs a name for each account: use the part of the address before the @. */
const defaultName = (email: string) => email.split("@")[0] || email;

export function Credentials({ intent, next, notice }: Props) {
  const texts = TEXTS[intent];
  const isSignUp = intent === "sign-up";
  const state = useForm(async (data) => {
    const email = textOf(data, "email");
    const password = textOf(data, "password");
    const failure = await requestProblem(() =>
      isSignUp
        ? authClient.signUp.email({ email, password, name: defaultName(email) })
        : authClient.signIn.email({ email, password }),
    );
    if (failure) return failure;
    // Load a new document, so that nothing of an earlier session stays in memory.
    window.location.assign(next);
    return "leaving";
  });

  return (
    <AuthPage heading={texts.heading} notice={notice}>
      <EraseOfflineCopy />
      <SubmitForm isMain={true} pending={texts.pending} state={state} submit={texts.submit}>
        <Field
          autoComplete={isSignUp ? "email" : "username webauthn"}
          label="Email"
          maxLength={255}
          name="email"
          problem={state.problem}
          required={true}
          type="email"
        />
        <Field
          autoComplete={isSignUp ? "new-password" : "current-password"}
          hint={isSignUp ? "At least 8 characters." : ""}
          label="Password"
          maxLength={128}
          minLength={isSignUp ? 8 : undefined}
          name="password"
          problem={state.problem}
          required={true}
          type="password"
        />
      </SubmitForm>
      <div className="mt-6 flex flex-wrap justify-between gap-x-6 gap-y-2 text-sm text-muted">
        <p>
          {texts.other}{" "}
          <Link className="link" href={`${texts.otherPath}?${new URLSearchParams({ next })}`}>
            {texts.otherLink}
          </Link>
        </p>
        {!isSignUp && (
          <Link className="link" href="/forgot-password">
            Forgot your password?
          </Link>
        )}
      </div>
    </AuthPage>
  );
}
