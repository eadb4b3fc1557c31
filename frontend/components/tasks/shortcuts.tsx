"use client";

import { Dialog } from "@/components/dialog/dialog";

/** All shortcuts, for the help dialog. `workspace.tsx` runs them. */
const SHORTCUTS: readonly (readonly [
  heading: string,
  keys: readonly (readonly [string, string])[],
])[] = [
  [
    "Navigation",
    [
      ["j  ↓", "Next task"],
      ["k  ↑", "Previous task"],
      ["Enter", "Open the details"],
      ["/", "Search"],
      ["⌘K  Ctrl K", "Find a task, a view or a command"],
      ["Esc", "Close, or clear the selection"],
    ],
  ],
  [
    "Tasks",
    [
      ["c", "Add a task"],
      ["Space", "Complete or reopen"],
      ["e", "Rename"],
      ["x", "Select or deselect"],
      ["⇧ ↑  ⇧ ↓", "Extend the selection"],
      ["Alt ↑  Alt ↓", "Move up or down in your order"],
      ["Delete  #", "Move to the trash"],
    ],
  ],
  [
    "General",
    [
      ["⌘Z  Ctrl Z", "Undo"],
      ["⇧⌘Z  Ctrl Y", "Redo"],
      ["⌘A  Ctrl A", "Select all tasks in the list"],
      ["m", "Show or hide the sidebar"],
      ["?", "Show the shortcuts"],
    ],
  ],
];

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog onClose={onClose} title="Keyboard shortcuts">
      <div className="mt-3 grid gap-5 outline-none" tabIndex={-1}>
        {SHORTCUTS.map(([heading, keys]) => (
          <section key={heading}>
            <h3 className="text-xs font-medium text-muted">{heading}</h3>
            <dl className="mt-1">
              {keys.map(([key, what]) => (
                <div className="flex items-center justify-between gap-4 py-1 text-sm" key={what}>
                  <dt>{what}</dt>
                  <dd className="flex gap-2">
                    {key.split("  ").map((one) => (
                      <kbd className="key" key={one}>
                        {one}
                      </kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <div className="mt-5 flex justify-end">
        <button className="button" onClick={onClose} type="button">
          Close
        </button>
      </div>
    </Dialog>
  );
}
