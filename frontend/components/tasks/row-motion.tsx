"use client";

import { type ReactNode, useLayoutEffect, useRef } from "react";
import { useTasks, useView } from "./tasks-context";

const TIMING = { duration: 180, easing: "ease-out" } as const;

const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A row as it was displayed last. */
type Shown = { element: HTMLElement; top: number; left: number; width: number; height: number };

/**
 * Show a copy of a row that has left, in its place, while it collapses.
 *
 * @param offset the offset of the list in the page.
 */
function collapse(
  list: HTMLElement,
  { element, top, left, width, height }: Shown,
  offset: number,
): void {
  const copy = element.cloneNode(true) as HTMLElement;
  for (const one of [copy, ...copy.querySelectorAll("[id]")]) one.removeAttribute("id");
  delete copy.dataset.id;
  copy.inert = true;
  copy.ariaHidden = "true";
  copy.classList.add("task-leaving");
  copy.style.top = `${offset + top}px`;
  copy.style.left = `${left}px`;
  copy.style.width = `${width}px`;
  list.append(copy);
  const frames = [
    { height: `${height}px`, opacity: 1 },
    { height: "0", opacity: 0 },
  ];
  copy.animate(frames, TIMING).onfinish = () => copy.remove();
}

type Rows = ReadonlyMap<string, Shown>;

function rowsIn(area: HTMLElement): Rows {
  const { offsetTop } = area;
  const rows = [...area.querySelectorAll<HTMLElement>("li[data-id]")].map((element) => {
    const { offsetLeft: left, offsetWidth: width, offsetHeight: height } = element;
    const top = element.offsetTop - offsetTop;
    return [element.dataset.id ?? "", { element, top, left, width, height }] as const;
  });
  return new Map(rows);
}

/**
 * Animate the rows in the window from their previous places, and collapse those that are no longer
 * listed. Rows outside the window are not animated: each animation takes time in the frame that
 * shows the change.
 */
function move(area: HTMLElement, before: Rows, rows: Rows, isListed: (id: string) => boolean) {
  // Read the layout once, before the first change: each later read would compute it again.
  const { offsetTop } = area;
  const start = area.getBoundingClientRect().top;
  const { innerHeight } = window;
  const isSeen = ({ top, height }: Shown) => start + top > -height && start + top < innerHeight;
  for (const [id, row] of before) {
    const now = rows.get(id);
    // A long list also removes listed rows, which scroll out of the window.
    if (!now && isSeen(row) && !isListed(id)) collapse(area, row, offsetTop);
    if (!now || now.top === row.top || !(isSeen(row) || isSeen(now))) continue;
    const frames = [{ transform: `translateY(${row.top - now.top}px)` }, { transform: "none" }];
    now.element.animate(frames, TIMING);
  }
}

/**
 * The list of tasks, or the text that replaces an empty list. When the tasks change, rows glide to
 * their new places, and rows that leave the list collapse. This includes the last row.
 */
export function RowMotion({ children }: { children: ReactNode }) {
  const { view } = useView();
  const { groups, tasks } = useTasks();
  const area = useRef<HTMLDivElement>(null);
  const last = useRef<{ view: unknown; rows: Rows }>({ view: null, rows: new Map() });

  // biome-ignore lint/correctness/useExhaustiveDependencies: rows move with the groups
  useLayoutEffect(() => {
    if (!area.current) return;
    const before = last.current;
    const rows = rowsIn(area.current);
    last.current = { view, rows };
    if (before.view !== view || isStill()) return;
    move(area.current, before.rows, rows, (id) => tasks.some((task) => task.id === id));
  }, [groups, tasks, view]);

  return <div ref={area}>{children}</div>;
}
