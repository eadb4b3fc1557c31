"use client";

import { PanelLeft, Plus, Search } from "lucide-react";
import { memo } from "react";
import { AccountMenu } from "@/components/account/account-menu";
import { PageLink } from "@/components/header/page-link";
import { Name, WORDMARK } from "@/components/header/wordmark";
import { useHydrated } from "@/lib/use-hydrated";
import { useModifier } from "@/lib/use-modifier";
import { Views } from "./views";

export type SidebarProps = {
  email: string;
  onAdd: () => void;
  onSearch: () => void;
  onShortcuts: () => void;
  onHide: () => void;
};

/** The contents of the sidebar: in a column next to the list, or in a drawer on a phone. */
export const Sidebar = memo(({ email, onAdd, onSearch, onShortcuts, onHide }: SidebarProps) => {
  const isHydrated = useHydrated();
  const modifier = useModifier();
  return (
    <>
      <div className="flex items-center justify-between gap-2 pl-2">
        <PageLink className={WORDMARK} href="/" name="The list of your tasks">
          <Name />
        </PageLink>
        <button
          aria-keyshortcuts="m"
          aria-label="Hide the sidebar"
          className="button-quiet"
          disabled={!isHydrated}
          onClick={onHide}
          title="Hide the sidebar"
          type="button"
        >
          <PanelLeft aria-hidden="true" className="size-4.5" />
        </button>
      </div>
      <div className="mt-3 grid gap-px">
        <button
          aria-keyshortcuts="c"
          className="sidebar-action font-semibold text-accent"
          disabled={!isHydrated}
          onClick={onAdd}
          type="button"
        >
          <span className="grid size-4 shrink-0 place-items-center rounded-full bg-accent text-on-accent">
            <Plus aria-hidden="true" className="size-3" strokeWidth={3} />
          </span>
          Add a task
          <span aria-hidden="true" className="key ml-auto">
            C
          </span>
        </button>
        <button
          aria-keyshortcuts="Meta+K Control+K"
          className="sidebar-action"
          disabled={!isHydrated}
          onClick={onSearch}
          type="button"
        >
          <Search aria-hidden="true" className="size-4 shrink-0" />
          Search
          <span aria-hidden="true" className="key ml-auto">
            {modifier}K
          </span>
        </button>
      </div>
      <Views />
      <AccountMenu email={email} onShortcuts={onShortcuts} />
    </>
  );
});
