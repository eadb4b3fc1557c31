"use client";

import { useRouter } from "next/navigation";
import { startTransition } from "react";
import { Wordmark } from "@/components/header/wordmark";
import { isServerReachable } from "@/lib/reach";

export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  const router = useRouter();

  async function retry() {
    if (!(await isServerReachable())) return;
    startTransition(() => {
      router.refresh();
      reset();
    });
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
    </main>
  );
}
