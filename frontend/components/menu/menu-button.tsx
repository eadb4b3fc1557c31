"use client";

import { lazy, type ReactNode, Suspense } from "react";
import { useHydrated } from "@/lib/use-hydrated";

export type MenuEntry =
  | "separator"
  | { heading: string }
  | { name: string; icon?: ReactNode; keys?: string; run: () => void }
  | {
      name: string;
      value: string;
      options: readonly { value: string; name: string; icon?: ReactNode }[];
      choose: (value: string) => void;
    };

export type MenuProps = {
  /** The name of the button and of its menu. */
  label: string;
  entries: readonly MenuEntry[];
  className: string;
  /** The side of the button on which the menu is aligned: by default its start. */
  align?: "end";
  children: ReactNode;
};

// The code of menus is loaded after the page, which does not need it at first.
const Menu = lazy(() => import("./menu"));

/** A button that opens a menu. It is disabled until the code of menus is loaded. */
export function MenuButton(props: MenuProps) {
  const isHydrated = useHydrated();
  const { label, className, children } = props;
  const button = (
    <button aria-label={label} className={className} disabled={true} type="button">
      {children}
    </button>
  );
  return isHydrated ? (
    <Suspense fallback={button}>
      <Menu {...props} />
    </Suspense>
  ) : (
    button
  );
}
