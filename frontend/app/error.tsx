"use client";

import { useState } from "react";
import { Wordmark } from "@/components/header/wordmark";
import { NO_ANSWER } from "@/lib/messages";
import { isServerReachable } from "@/lib/reach";

export default function ErrorPage() {
  const [problem, setProblem] = useState<string | null>(null);

  // The page is loaded as a whole: code that failed to load once fails again until then.
  async function retry() {
    setProblem(null);
    if (await isServerReachable()) window.location.reload();
    else setProblem(NO_ANSWER);
  }

  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col items-start justify-center px-6 py-12">
      <Wordmark />
      <h1 className="mt-8 text-2xl font-semibold tracking-tight">Something went wrong</h1>
      <p className="mt-3 text-muted">
        The server could not show this page right now. You are still signed in, and nothing was
        lost.
      </p>
      <button className="button button-primary mt-6" onClick={retry} type="button">
        Try again
      </button>
      {problem !== null && (
        <p className="mt-4 text-danger" role="alert">
          {problem}
        </p>
      )}
    </main>
  );
}
