"use client";

import type { KeyboardEvent, MouseEvent, ReactNode } from "react";
import { useApp } from "@/components/tasks/tasks-context";
import { pathOf, type View } from "@/components/tasks/view";

type Props = {
  view: Partial<View>;
  isCurrent: boolean;
  children: ReactNode;
  onKeyDown?: (event: KeyboardEvent) => void;
};

/**
 * A link that also works in a new tab and before scripts run. A click changes the view without a
 * request.
 */
export function ViewLink({ view, isCurrent, onKeyDown, children }: Props) {
  const { show } = useApp();

  function onClick(event: MouseEvent) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    show(view);
    window.scrollTo(0, 0);
  }

  return (
    <a
      aria-current={isCurrent ? "page" : undefined}
      className="view-link"
      // Otherwise the browser would drag the link instead of the project.
      draggable={false}
      href={pathOf(view)}
      onClick={onClick}
      onKeyDown={onKeyDown}
    >
      {children}
    </a>
  );
}
