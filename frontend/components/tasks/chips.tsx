import { CalendarDays, Flag, Folder, Hash, X } from "lucide-react";
import { useProjects } from "@/components/projects/use-projects";
import type { Chip, PlannedTask } from "./quick-add";
import { formatDay, PRIORITY_NAMES } from "./task";

const ICONS = { due: CalendarDays, priority: Flag, label: Hash, project: Folder } as const;

type Props = {
  plan: PlannedTask;
  today: string;
  id?: string;
  /** Keeps the words of a chip in the title. */
  onPlain: (words: string) => void;
};

/** Return the values that the task gets from the view and not from the words of the line. */
function fromView({
  chips,
  dueOn,
  priority,
  labels,
  projectId,
}: PlannedTask): Omit<Chip, "words">[] {
  const has = (kind: Chip["kind"], value: string) =>
    chips.some((chip) => chip.kind === kind && chip.value === value);
  const given: Omit<Chip, "words">[] = labels.map((value) => ({ kind: "label", value }));
  if (priority !== "NONE") given.unshift({ kind: "priority", value: priority });
  if (dueOn !== null) given.unshift({ kind: "due", value: dueOn });
  if (projectId !== null) given.push({ kind: "project", value: projectId });
  return given.filter(({ kind, value }) => !has(kind, value));
}

/**
 * The date, priority, labels and project that were found in the text of a new task. The button
 * beside a value makes its words a part of the title instead.
 */
export function Chips({ plan, today, id, onPlain }: Props) {
  const { all } = useProjects();
  const given = fromView(plan);
  const textOf = (chip: Omit<Chip, "words">) =>
    chip.kind === "project"
      ? (all.find(({ id: project }) => project === chip.value)?.name ?? "Project")
      : chipText(chip, today);
  if (plan.chips.length + given.length === 0) return null;
  return (
    <ul aria-label="Understood" className="mt-2 flex flex-wrap gap-1.5 pl-1" id={id}>
      {plan.chips.map((chip) => (
        <li key={`${chip.kind} ${chip.value}`}>
          <button
            aria-label={`${textOf(chip)}: keep “${chip.words}” as plain words`}
            className="chip hover:text-ink"
            onClick={() => onPlain(chip.words)}
            type="button"
          >
            <ChipIcon kind={chip.kind} />
            <bdi>{textOf(chip)}</bdi>
            <X aria-hidden="true" className="size-3 opacity-60" />
          </button>
        </li>
      ))}
      {given.map((chip) => (
        <li className="chip" key={`${chip.kind} ${chip.value}`}>
          <ChipIcon kind={chip.kind} />
          <bdi>{textOf(chip)}</bdi>
        </li>
      ))}
    </ul>
  );
}

function ChipIcon({ kind }: { kind: Chip["kind"] }) {
  const Icon = ICONS[kind];
  return <Icon aria-hidden="true" className="size-3" />;
}

function chipText({ kind, value }: Omit<Chip, "words">, today: string): string {
  if (kind === "due") return formatDay(value, today);
  if (kind === "label") return value;
  return PRIORITY_NAMES[value as keyof typeof PRIORITY_NAMES];
}
