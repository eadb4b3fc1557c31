import type { ReactNode } from "react";
import { Wordmark } from "@/components/header/wordmark";

type Props = {
  heading: string;
  /** Shown under the heading. */
  notice?: string | undefined;
  children: ReactNode;
};

/** The layout of the sign-in pages and of the pages that mailed links open. */
export function AuthPage({ heading, notice, children }: Props) {
  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col justify-center px-6 py-12">
      <Wordmark />
      <h1 className="mt-8 text-2xl font-semibold tracking-tight">{heading}</h1>
      {notice && (
        <p className="mt-3 rounded-lg bg-wash px-3.5 py-2.5 text-sm" role="status">
          {notice}
        </p>
      )}
      {children}
    </main>
  );
}
