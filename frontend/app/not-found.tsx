import Link from "next/link";
import { Wordmark } from "@/components/header/wordmark";

export default function NotFound() {
  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col items-start justify-center px-6 py-12">
      <Wordmark />
      <h1 className="mt-8 text-2xl font-semibold tracking-tight">Page not found</h1>
      <p className="mt-3 text-muted">Check the address, or go back to your tasks.</p>
      <Link className="button button-primary mt-6" href="/tasks">
        Go to your tasks
      </Link>
    </main>
  );
}
