"use client";

import type { MouseEvent } from "react";
import { VIEW_NAMES, VIEWS, type View, viewPath } from "./view";

/** Shown without asking the server for the page again: what a view holds comes from the API. */
function show(event: MouseEvent<HTMLAnchorElement>) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  window.history.pushState(null, "", event.currentTarget.href);
}

export function Views({ current }: { current: View }) {
  return (
    <nav aria-label="Views" className="-mx-1 flex gap-1 overflow-x-auto p-1">
      {VIEWS.map((view) => (
        <a
          aria-current={view === current ? "page" : undefined}
          className="rounded-lg px-3 py-1.5 text-sm font-medium text-muted transition-colors hover:text-ink aria-[current=page]:bg-wash aria-[current=page]:text-ink"
          href={viewPath(view)}
          key={view}
          onClick={show}
        >
          {VIEW_NAMES[view]}
        </a>
      ))}
    </nav>
  );
}
