"use client";

import { ArrowUp, Plus } from "lucide-react";
import { type ClipboardEvent, type FormEvent, useEffect, useId, useRef, useState } from "react";
import { Dialog } from "@/components/dialog/dialog";
import { useSession } from "@/components/graphql/graphql";
import { useProjects } from "@/components/projects/use-projects";
import { Chips } from "./chips";
import { isDayFirst } from "./dates";
import { readDraft, writeDraft } from "./draft";
import { PastedLines } from "./pasted-lines";
import {
  moveLongTitle,
  type PastedLine,
  type PlannedTask,
  parseLine,
  parsePastedLines,
  planTask,
  toInput,
} from "./quick-add";
import { taskCount } from "./task";
import { useApp, useView } from "./tasks-context";
import { isolateText } from "./text";
import { useCompletion } from "./use-completion";
import { useCreate } from "./use-create";

/** Several pasted lines, and the selection that the paste would have replaced. */
type Pasted = {
  text: string;
  from: number;
  to: number;
  lines: readonly (PastedLine & { plain: readonly string[] })[];
};

/** The field for a new task. Recognized dates, priorities and labels are shown before Enter. */
export function AddTask() {
  const { owner } = useSession();
  const { today } = useApp();
  const { view } = useView();
  const create = useCreate();
  // Null until the stored draft was read: then the field is disabled.
  const [line, setLine] = useState<string | null>(null);
  const [dayFirst, setDayFirst] = useState(true);
  const [plain, setPlain] = useState<readonly string[]>([]);
  const [pasted, setPasted] = useState<Pasted | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();

  useEffect(() => {
    setLine(readDraft(owner));
    setDayFirst(isDayFirst(navigator.language));
  }, [owner]);

  const { active } = useProjects();
  const parseOptions = { now: new Date(`${today}T12:00:00`), dayFirst, projects: active };
  const plan = planTask(parseLine(line ?? "", parseOptions, plain), view, today);
  const hasText = plan.title !== "";
  // The preview and the new tasks come from the same plan.
  const pastedPlans = (pasted?.lines ?? []).map(({ text, completed, plain: kept }) =>
    moveLongTitle(planTask(parseLine(text, parseOptions, kept), view, today, completed)),
  );
  const count = taskCount(pastedPlans.length);

  function write(text: string) {
    setLine(text);
    writeDraft(owner, text);
  }

  const completion = useCompletion(input, line ?? "", write);

  function add(plans: readonly PlannedTask[]) {
    const [first] = plans;
    const message =
      first && plans.length === 1
        ? `Added “${isolateText(first.title)}”`
        : `Added ${taskCount(plans.length)}`;
    create(plans.map(toInput), message);
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (!hasText || plan.problem) return;
    add([plan]);
    write("");
    setPlain([]);
  }

  function onPaste(event: ClipboardEvent<HTMLInputElement>) {
    const text = event.clipboardData.getData("text/plain");
    const lines = parsePastedLines(text);
    // A single line is typed text, unless it has a checked box.
    if (lines.length < 2 && !lines[0]?.completed) return;
    event.preventDefault();
    const { value, selectionStart, selectionEnd } = event.currentTarget;
    setPasted({
      text,
      from: selectionStart ?? value.length,
      to: selectionEnd ?? value.length,
      lines: lines.map((one) => ({ ...one, plain: [] })),
    });
  }

  function keepPlain(at: number, words: string) {
    if (!pasted) return;
    const lines = pasted.lines.map((one, index) =>
      index === at ? { ...one, plain: [...one.plain, words] } : one,
    );
    setPasted({ ...pasted, lines });
  }

  return (
    <form className="add-task pt-0.5" onSubmit={onSubmit}>
      <label className="sr-only" htmlFor={id}>
        New task
      </label>
      <div className="relative">
        <Plus
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3.5 size-4.5 -translate-y-1/2 text-accent"
        />
        <input
          aria-describedby={hasText ? `${id}-chips ${id}-problem` : undefined}
          aria-invalid={plan.problem !== null || undefined}
          aria-keyshortcuts="c"
          autoComplete="off"
          className="h-12 w-full rounded-xl border border-line bg-surface pr-12 pl-11 text-ellipsis placeholder:text-muted focus-visible:border-accent focus-visible:outline-offset-0"
          dir="auto"
          disabled={line === null}
          enterKeyHint="done"
          id={id}
          name="title"
          onChange={(event) => write(event.target.value)}
          {...completion.props}
          onKeyDown={(event) => {
            if (completion.onKey(event)) return;
            if (event.key === "Escape") event.currentTarget.blur();
          }}
          onPaste={onPaste}
          placeholder="Add a task: call the bank tomorrow !high #home"
          ref={input}
          value={line ?? ""}
        />
        <button
          aria-label="Add task"
          className={`absolute top-1.5 right-1.5 grid size-9 place-items-center rounded-lg bg-accent text-on-accent ${hasText ? "" : "invisible"}`}
          type="submit"
        >
          <ArrowUp aria-hidden="true" className="size-4.5" />
        </button>
        {completion.list}
      </div>
      <p className="mt-2 pl-1 text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {plan.problem}
      </p>
      {hasText && (
        <Chips
          id={`${id}-chips`}
          onPlain={(words) => {
            setPlain([...plain, words]);
            input.current?.focus();
          }}
          plan={plan}
          today={today}
        />
      )}
      {pasted && (
        <Dialog onClose={() => setPasted(null)} title={`Add ${count}?`}>
          <p className="mt-1 text-muted">Each line of your text becomes one task, as shown here.</p>
          <PastedLines onPlain={keepPlain} plans={pastedPlans} today={today} />
          <div className="mt-6 flex flex-wrap justify-end gap-3">
            <button
              className="button"
              onClick={() => {
                const { text, from, to } = pasted;
                const asOne = text.trim().replace(/\s*[\r\n]+\s*/g, " ");
                write(`${line?.slice(0, from) ?? ""}${asOne}${line?.slice(to) ?? ""}`);
                setPasted(null);
              }}
              type="button"
            >
              Paste as one line
            </button>
            <button
              className="button button-primary"
              data-autofocus={true}
              disabled={pastedPlans.some(({ problem }) => problem !== null)}
              onClick={() => {
                add(pastedPlans);
                setPasted(null);
              }}
              type="button"
            >
              Add {count}
            </button>
          </div>
        </Dialog>
      )}
    </form>
  );
}
