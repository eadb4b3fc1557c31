import { DayPicker } from "react-day-picker";
import { toIsoDay } from "@/components/tasks/task";
import { firstWeekday, locales } from "@/lib/locales";

type Props = {
  /** Days are YYYY-MM-DD. */
  today: string;
  day: string | null;
  /** The first day of the displayed month, or any other day in it. */
  month: string;
  onMonth: (month: string) => void;
  onChoose: (day: string) => void;
};

/** Return midnight of a day in the local time zone. */
export const dateOf = (day: string) => new Date(`${day}T00:00:00`);

/** A month of days, with names and the first day of the week as in the person's language. */
export function Calendar({ today, day, month, onMonth, onChoose }: Props) {
  const locale = locales()[0] ?? "en";
  const format = (options: Intl.DateTimeFormatOptions) => {
    const { format: write } = new Intl.DateTimeFormat(locale, options);
    return (date: Date) => write(date);
  };
  const monthAndYear = format({ month: "long", year: "numeric" });
  const fullDate = format({ dateStyle: "full" });
  return (
    <DayPicker
      className="calendar"
      endMonth={dateOf("9999-12-01")}
      fixedWeeks={true}
      formatters={{
        formatCaption: monthAndYear,
        formatWeekdayName: format({ weekday: "short" }),
      }}
      labels={{
        labelDayButton: (date, { today: isToday, selected }) =>
          [isToday && "Today", fullDate(date), selected && "selected"].filter(Boolean).join(", "),
        labelGrid: monthAndYear,
        labelNav: () => "Month",
        labelNext: () => "Next month",
        labelPrevious: () => "Previous month",
        labelWeekday: format({ weekday: "long" }),
      }}
      mode="single"
      month={dateOf(month)}
      onMonthChange={(date) => onMonth(toIsoDay(date))}
      // A click on the selected day chooses it again.
      onSelect={(_, date) => onChoose(toIsoDay(date))}
      selected={day === null ? undefined : dateOf(day)}
      showOutsideDays={true}
      today={dateOf(today)}
      weekStartsOn={firstWeekday(locale)}
    />
  );
}
