import { CheckCheck } from "lucide-react";
import { Chips } from "./chips";
import type { PlannedTask } from "./quick-add";

type Props = {
  plans: readonly PlannedTask[];
  today: string;
  onPlain: (line: number, words: string) => void;
};

/** A preview of the tasks that pasted lines become. */
export function PastedLines({ plans, today, onPlain }: Props) {
  return (
    <ol className="mt-4 max-h-72 list-decimal overflow-y-auto pl-8 text-sm marker:text-muted">
      {plans.map((plan, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines may be alike, and never move
        <li className="py-1 wrap-anywhere" key={index}>
          <span dir="auto">{plan.title}</span>
          {plan.completed && (
            <span className="ml-2 inline-flex items-center gap-1 text-xs text-muted">
              <CheckCheck aria-hidden="true" className="size-3.5" /> Completed
            </span>
          )}
          {plan.problem ? (
            <p className="text-danger">{plan.problem}</p>
          ) : (
            plan.description && (
              <p className="text-muted">
                Too long for a title. The whole line will be the description.
              </p>
            )
          )}
          <Chips onPlain={(words) => onPlain(index, words)} plan={plan} today={today} />
        </li>
      ))}
    </ol>
  );
}
