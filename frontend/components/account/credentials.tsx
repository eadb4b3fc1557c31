"use client";

import Link from "next/link";
import { type FormEvent, useId, useState } from "react";
import { Wordmark } from "@/components/header/wordmark";
import { authClient } from "@/lib/auth-client";
import { useHydrated } from "@/lib/use-hydrated";
import { explain, type Problem, UNREACHABLE } from "./problem";

type Props = {
  intent: "sign-in" | "sign-up";
  /** Where to go afterwards: a path of this app. */
  next: string;
  /** Said above the form, when something led here. */
  notice?: string;
};

const WORDS = {
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

/** Better Auth keeps a name for each account; the part of the address before the @ will do. */
const nameOf = (email: string) => email.split("@")[0] || email;

async function submit(intent: Props["intent"], email: string, password: string) {
  try {
    const { error } =
      intent === "sign-up"
        ? await authClient.signUp.email({ email, password, name: nameOf(email) })
        : await authClient.signIn.email({ email, password });
    return error ? explain(error) : null;
  } catch {
    return UNREACHABLE;
  }
}

export function Credentials({ intent, next, notice }: Props) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isPending, setPending] = useState(false);
  const isHydrated = useHydrated();
  const id = useId();
  const words = WORDS[intent];
  const isSignUp = intent === "sign-up";

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    setPending(true);
    const found = await submit(intent, String(data.get("email")), String(data.get("password")));
    if (found === null) {
      // A new document, so that nothing of an earlier session is left in memory.
      window.location.assign(next);
      return;
    }
    setPending(false);
    setProblem(found);
    if (found.field) form.querySelector<HTMLInputElement>(`[name=${found.field}]`)?.focus();
  }

  const describe = (field: Problem["field"]) =>
    problem?.field === field ? { "aria-invalid": true, "aria-describedby": `${id}-problem` } : {};

  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col justify-center px-6 py-12">
      <Wordmark />
      <h1 className="mt-8 text-2xl font-semibold tracking-tight">{words.heading}</h1>
      {notice && (
        <p className="mt-3 rounded-lg bg-wash px-3.5 py-2.5 text-sm" role="status">
          {notice}
        </p>
      )}
      <form className="mt-6" method="post" onSubmit={onSubmit}>
        {/* Opens once this page listens: sent before that, the form would go nowhere. */}
        <fieldset className="grid gap-4" disabled={!isHydrated}>
          <div className="grid gap-1.5">
            <label className="text-sm font-medium" htmlFor={`${id}-email`}>
              Email
            </label>
            <input
              {...describe("email")}
              autoComplete={isSignUp ? "email" : "username"}
              className="field"
              id={`${id}-email`}
              maxLength={255}
              name="email"
              required={true}
              type="email"
            />
          </div>
          <div className="grid gap-1.5">
            <label className="text-sm font-medium" htmlFor={`${id}-password`}>
              Password
            </label>
            <input
              {...describe("password")}
              autoComplete={isSignUp ? "new-password" : "current-password"}
              className="field"
              id={`${id}-password`}
              maxLength={128}
              minLength={isSignUp ? 8 : undefined}
              name="password"
              required={true}
              type="password"
            />
            {isSignUp && <p className="text-sm text-muted">At least 8 characters.</p>}
          </div>
          <p className="text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
            {problem?.message}
          </p>
          <button className="button button-primary" disabled={isPending} type="submit">
            {isPending ? words.pending : words.submit}
          </button>
        </fieldset>
      </form>
      <p className="mt-6 text-sm text-muted">
        {words.other}{" "}
        <Link
          className="rounded-sm font-medium text-ink underline decoration-edge underline-offset-4 hover:decoration-ink"
          href={`${words.otherPath}?${new URLSearchParams({ next })}`}
        >
          {words.otherLink}
        </Link>
      </p>
    </main>
  );
}
