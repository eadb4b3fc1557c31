import { Check } from "lucide-react";
import Link from "next/link";
import { redirect } from "next/navigation";
import { Wordmark } from "@/components/header/wordmark";
import { EraseOfflineCopy } from "@/components/offline/erase-offline-copy";
import { HOME } from "@/lib/next-path";
import { currentSession } from "@/lib/session";

const EXAMPLES = [
  { title: "Write the first line", completed: true },
  { title: "Ask Ada about the index", completed: true },
  { title: "Ship it before lunch", completed: false },
];

export default async function LandingPage() {
  if (await currentSession()) redirect(HOME);
  return (
    <main className="mx-auto grid min-h-dvh max-w-5xl content-center items-center gap-12 px-6 py-12 md:grid-cols-[1.1fr_1fr] md:gap-16">
      <EraseOfflineCopy />
      <div>
        <Wordmark />
        <h1 className="mt-8 text-4xl leading-[1.08] font-semibold tracking-tight text-balance sm:text-5xl">
          Your tasks, and nobody else’s.
        </h1>
        <p className="mt-5 max-w-md text-lg text-muted">
          A quiet list that remembers what you meant to do. You write it, you tick it off, and only
          you can ever read it.
        </p>
        <div className="mt-8 flex flex-wrap gap-3">
          <Link className="button button-primary" href="/sign-up">
            Create an account
          </Link>
          <Link className="button" href="/sign-in">
            Sign in
          </Link>
        </div>
      </div>
      <ul
        aria-hidden="true"
        className="divide-y divide-line rounded-2xl border border-line bg-surface px-5 py-2 shadow-lift"
      >
        {EXAMPLES.map(({ title, completed }) => (
          <li className="flex items-center gap-3.5 py-4" key={title}>
            <span
              className={`grid size-5.5 place-items-center rounded-full border-[1.5px] ${completed ? "border-accent bg-accent text-on-accent" : "border-edge"}`}
            >
              {completed && <Check className="size-3.5" strokeWidth={3} />}
            </span>
            <span className={completed ? "text-muted line-through" : ""}>{title}</span>
          </li>
        ))}
      </ul>
    </main>
  );
}
