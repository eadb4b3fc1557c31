import { AccountMenu } from "@/components/account/account-menu";
import { PageLink } from "./page-link";
import { SkipLink } from "./skip-link";
import { Name, WORDMARK } from "./wordmark";

/** The header of a page without a sidebar. It is as wide as the page's content. */
export function Header({ email }: { email: string }) {
  return (
    <header className="border-b border-line">
      <SkipLink />
      <div className="mx-auto flex h-14 max-w-3xl items-center justify-between gap-3 px-4 sm:px-6">
        <PageLink className={WORDMARK} href="/" name="The list of your tasks">
          <Name />
        </PageLink>
        <AccountMenu email={email} />
      </div>
    </header>
  );
}
