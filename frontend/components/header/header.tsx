import { SignOut } from "@/components/account/sign-out";
import { Wordmark } from "./wordmark";

/** The bar above what a signed-in person sees. */
export function Header({ email }: { email: string }) {
  return (
    <header className="border-b border-line">
      <div className="mx-auto flex h-15 max-w-3xl items-center justify-between gap-4 px-4 sm:px-6">
        <Wordmark />
        <div className="flex min-w-0 items-center gap-2 text-sm">
          <span className="hidden truncate text-muted sm:block" title="Signed in as">
            {email}
          </span>
          <SignOut />
        </div>
      </div>
    </header>
  );
}
