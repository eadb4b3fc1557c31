"use client";

import { type ReactNode, useRef, useState } from "react";
import { onDemand } from "@/lib/on-demand";

export const DuePicker = onDemand(async () => (await import("./due-picker")).default);

type Props = {
  id?: string;
  /** The accessible name. */
  label: string;
  className: string;
  /** The current day in the person's time zone, YYYY-MM-DD. */
  today: string;
  /** Undefined for several tasks with different due dates. */
  day: string | null | undefined;
  onChange: (day: string | null) => void;
  children: ReactNode;
};

/**
 * A button that opens the picker of the due date. The code of the picker is loaded after the page.
 */
export function DueButton({ id, label, className, today, day, onChange, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  return (
    <>
      <button
        aria-haspopup="dialog"
        aria-label={label}
        className={className}
        id={id}
        onClick={() => setOpen(true)}
        ref={button}
        type="button"
      >
        {children}
      </button>
      {isOpen && (
        <DuePicker
          button={button}
          day={day}
          onChange={onChange}
          onClose={() => setOpen(false)}
          today={today}
        />
      )}
    </>
  );
}
