"use client";

import { CircleUser, Search } from "lucide-react";
import { SignOut } from "@/components/account/sign-out";
import { ThemeButton } from "@/components/theme/theme";
import { useHydrated } from "@/lib/use-hydrated";
import { useModifier } from "@/lib/use-modifier";
import { PageLink } from "./page-link";
import { Name, WORDMARK } from "./wordmark";

type Props = {
  email: string;
  /** Opens the command palette, on pages that have one. */
  onSearch?: () => void;
};

/** Lets keyboard users skip the header and the navigation. */
function SkipLink() {
  return (
    // biome-ignore lint/a11y/useValidAnchor: a link before there is script, and without a step in the history after
    <a
      className="skip-link"
      href="#content"
      onClick={(event) => {
        event.preventDefault();
        document.getElementById("content")?.focus({ preventScroll: true });
      }}
    >
      Skip to the content
    </a>
  );
}

/** The header of the pages for signed-in people. */
export function Header({ email, onSearch }: Props) {
  const isHydrated = useHydrated();
  const modifier = useModifier();
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-paper">
      <SkipLink />
      <div className="mx-auto flex h-14 max-w-7xl items-center justify-between gap-3 px-4 sm:px-6">
        <PageLink className={WORDMARK} href="/" name="The list of your tasks">
          <Name />
        </PageLink>
        <div className="flex min-w-0 items-center gap-0.5 text-sm">
          {onSearch && (
            <button
              aria-keyshortcuts="Meta+K Control+K"
              className="button-quiet px-2 sm:mr-2 sm:gap-2 sm:border sm:border-line sm:px-3"
              disabled={!isHydrated}
              onClick={onSearch}
              type="button"
            >
              <Search aria-hidden="true" className="size-4" />
              <span className="sr-only sm:not-sr-only">Find</span>
              <span aria-hidden="true" className="key hidden sm:block">
                {modifier}K
              </span>
            </button>
          )}
          <ThemeButton />
          <PageLink
            aria-label={`Account: ${email}`}
            className="button-quiet min-w-0 px-2"
            href="/account"
            name="Your account"
            prefetch={false}
          >
            <CircleUser aria-hidden="true" className="size-4.5 shrink-0" />
            <span className="hidden max-w-48 truncate lg:block">{email}</span>
          </PageLink>
          <SignOut />
        </div>
      </div>
    </header>
  );
}
