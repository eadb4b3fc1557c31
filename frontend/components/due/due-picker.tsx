"use client";

import {
  type FormEvent,
  type KeyboardEvent,
  type RefObject,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import { isDayFirst, readDay } from "@/components/tasks/dates";
import { addDays } from "@/components/tasks/task";
import { locales } from "@/lib/locales";
import { Calendar, dateOf } from "./calendar";

/** On narrower screens the picker is a sheet at the bottom. */
const BESIDE_BUTTON = "(min-width: 40rem)";
/** Pixels between the picker and its button, and between the picker and the edges of the window. */
const GAP = 6;

type Props = {
  /** The current day in the person's time zone, YYYY-MM-DD. */
  today: string;
  /** Undefined for several tasks with different due dates. */
  day: string | null | undefined;
  button: RefObject<HTMLElement | null>;
  onChange: (day: string | null) => void;
  onClose: () => void;
};

/** Place the picker next to its button: below it, or above it if there is no room. */
function place(picker: HTMLElement, button: HTMLElement): void {
  const { left, top, bottom } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = picker;
  const { innerWidth, innerHeight } = window;
  const below = bottom + GAP;
  const y = below + height + GAP <= innerHeight ? below : top - GAP - height;
  picker.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
  picker.style.top = `${Math.max(GAP, Math.min(y, innerHeight - height - GAP))}px`;
}

/**
 * A dialog to choose a due date: by a typed text, by a preset, or in a calendar. It is next to its
 * button, or at the bottom of a phone.
 */
export default function DuePicker({ today, day, button, onChange, onClose }: Props) {
  const [text, setText] = useState("");
  const [isRefused, setRefused] = useState(false);
  const [month, setMonth] = useState(day ?? today);
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useDialog(dialog, onClose);

  useLayoutEffect(() => {
    if (!(dialog.current && button.current && window.matchMedia(BESIDE_BUTTON).matches)) return;
    place(dialog.current, button.current);
  }, [button]);

  const typed = text.trim() ? readTyped(text) : null;
  const presets = { Today: today, Tomorrow: addDays(today, 1), "Next week": addDays(today, 7) };

  function choose(chosen: string | null) {
    onClose();
    if (chosen !== day) onChange(chosen);
  }

  function onType(value: string) {
    setText(value);
    setRefused(false);
    const found = readTyped(value);
    if (found) setMonth(found);
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (typed) choose(typed);
    else if (text.trim()) setRefused(true);
  }

  function onKeyDown(event: KeyboardEvent) {
    // The panel around the picker handles keys as well.
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    onClose();
  }

  return (
    <dialog
      aria-label="Due date"
      className="due-picker"
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      onKeyDown={onKeyDown}
      ref={dialog}
    >
      <div className="p-3">
        <div className="due-presets">
          {Object.entries(presets).map(([name, preset]) => (
            <button
              aria-pressed={preset === day}
              key={name}
              onClick={() => choose(preset)}
              type="button"
            >
              {name} <span>{name === "Next week" ? dayOf(preset) : weekdayOf(preset)}</span>
            </button>
          ))}
          <button aria-pressed={day === null} onClick={() => choose(null)} type="button">
            No date
          </button>
        </div>
        <form onSubmit={onSubmit}>
          <input
            aria-describedby={`${id}-typed`}
            aria-invalid={isRefused || undefined}
            aria-label="Type a date"
            autoComplete="off"
            className="small-field w-full focus-visible:-outline-offset-1"
            // On a touch screen, the keyboard would hide the calendar, so the first button gets
            // focus.
            data-autofocus={window.matchMedia("(pointer: fine)").matches || undefined}
            enterKeyHint="done"
            onChange={(event) => onType(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "ArrowDown") return;
              event.preventDefault();
              dialog.current?.querySelector<HTMLElement>(".rdp-day_button[tabindex='0']")?.focus();
            }}
            placeholder="Type a date: “in 3 days”"
            value={text}
          />
          <p className="due-typed" data-refused={isRefused} id={`${id}-typed`} role="status">
            {typed && writtenOut(typed)}
            {isRefused && "This is not a date. Try “friday” or “3 dec”."}
          </p>
        </form>
        <Calendar
          day={typed ?? day ?? null}
          month={month}
          onChoose={choose}
          onMonth={setMonth}
          today={today}
        />
      </div>
    </dialog>
  );
}

const readTyped = (text: string) => readDay(text, new Date(), isDayFirst(navigator.language));

const dayOf = (day: string) =>
  new Intl.DateTimeFormat(locales(), { day: "numeric", month: "short" }).format(dateOf(day));

const weekdayOf = (day: string) =>
  new Intl.DateTimeFormat(locales(), { weekday: "short" }).format(dateOf(day));

const writtenOut = (day: string) =>
  new Intl.DateTimeFormat(locales(), { dateStyle: "full" }).format(dateOf(day));
