import { CircleUser } from "lucide-react";
import Link from "next/link";
import { SignOut } from "@/components/account/sign-out";
import { Wordmark } from "./wordmark";

/** The bar above what a signed-in person sees. */
export function Header({ email }: { email: string }) {
  return (
    <header className="border-b border-line">
      <div className="mx-auto flex h-15 max-w-3xl items-center justify-between gap-4 px-4 sm:px-6">
        <Wordmark />
        <div className="flex min-w-0 items-center gap-1 text-sm">
          <Link
            aria-label={`Account: ${email}`}
            className="button-quiet min-w-0 px-2 sm:px-3"
            href="/account"
          >
            <CircleUser aria-hidden="true" className="size-4.5 shrink-0" />
            <span className="hidden truncate sm:block">{email}</span>
          </Link>
          <SignOut />
        </div>
      </div>
    </header>
  );
}
