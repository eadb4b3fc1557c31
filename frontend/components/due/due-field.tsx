import { CalendarDays } from "lucide-react";
import { formatDay, nearness } from "@/components/tasks/task";
import { DueButton } from "./due-button";

type Props = {
  id: string;
  /** The current day in the person's time zone, YYYY-MM-DD. */
  today: string;
  day: string | null;
  onChange: (day: string | null) => void;
};

/** The due date of a task, in words. A click opens the picker. */
export function DueField({ id, today, day, onChange }: Props) {
  const name = day === null ? "No date" : formatDay(day, today);
  return (
    <DueButton
      className="small-field inline-flex items-center"
      day={day}
      id={id}
      label={`Due: ${name}`}
      onChange={onChange}
      today={today}
    >
      <span className="fact" data-due={day === null ? undefined : nearness(day, today)}>
        <CalendarDays aria-hidden="true" />
        {name}
      </span>
    </DueButton>
  );
}
