"use client";

import { ArrowUp, CalendarDays, Flag, Hash, Plus, X } from "lucide-react";
import { type ClipboardEvent, type FormEvent, useEffect, useId, useRef, useState } from "react";
import { Dialog } from "@/components/dialog/dialog";
import { useSession } from "@/components/graphql/graphql";
import { uuidv7 } from "@/lib/uuid";
import { readDraft, writeDraft } from "./draft";
import type { Edit } from "./edit";
import { keysAtTop } from "./order";
import { type Chip, linesOf, loadDates, readLine } from "./quick-add";
import { MAX_AT_ONCE, MAX_TITLE, PRIORITY_NAMES, sayDay } from "./task";
import { useTasks } from "./tasks-context";

type ReadDate = Awaited<ReturnType<typeof loadDates>>;

/** The page is done with what matters more by then. */
const DATES_AFTER_MS = 2_000;

const ICONS = { due: CalendarDays, priority: Flag, label: Hash } as const;

/** The line to write a task on. What it says of dates, priority and labels is shown before Enter. */
export function AddTask() {
  const { owner } = useSession();
  const { store, view, today, act } = useTasks();
  // Not known, and not to be typed over, until the browser has looked for a draft.
  const [line, setLine] = useState<string | null>(null);
  const [plain, setPlain] = useState<readonly string[]>([]);
  const [pasted, setPasted] = useState<string[] | null>(null);
  const [readDate, setReadDate] = useState<ReadDate | null>(null);
  const [isWanted, setWanted] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();

  useEffect(() => setLine(readDraft(owner)), [owner]);

  useEffect(() => {
    if (!isWanted) return;
    let isGone = false;
    // Without a network dates are plain words, until the line is next written on.
    loadDates().then(
      (loaded) => isGone || setReadDate(() => loaded),
      () => isGone || setWanted(false),
    );
    return () => {
      isGone = true;
    };
  }, [isWanted]);

  useEffect(() => {
    // So that it is there when the network is not.
    const timer = setTimeout(() => setWanted(true), DATES_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);

  const draft = readLine(line ?? "", new Date(`${today}T12:00:00`), plain, readDate);

  function write(text: string) {
    setLine(text);
    writeDraft(owner, text);
  }

  async function add(lines: readonly string[]) {
    const now = new Date(`${today}T12:00:00`);
    const at = new Date().toISOString();
    // Written and sent before what reads dates was there.
    const read = readDate ?? (await loadDates().catch(() => null));
    const keys = keysAtTop(store.ordered("manual"), lines.length);
    const inputs = lines.map((text, index) => {
      const { title, dueOn, priority, labels } = readLine(text, now, plain, read);
      const isToday = view.list === "today" && dueOn === null;
      const isLabelled = view.label && !labels.includes(view.label);
      return {
        id: uuidv7(),
        title: title.slice(0, MAX_TITLE),
        dueOn: isToday ? today : dueOn,
        priority: priority === "NONE" && view.priority ? view.priority : priority,
        labels: isLabelled && view.label ? [...labels, view.label] : labels,
        position: keys[index] ?? "a0",
      };
    });
    const edits: Edit[] = [];
    for (let start = 0; start < inputs.length; start += MAX_AT_ONCE) {
      edits.push({ kind: "create", inputs: inputs.slice(start, start + MAX_AT_ONCE), at });
    }
    const said = lines.length === 1 ? `Added “${inputs[0]?.title}”` : `Added ${lines.length} tasks`;
    act(edits, said, lines.length === 1);
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (!line?.trim()) return;
    void add([line]);
    write("");
    setPlain([]);
  }

  function onPaste(event: ClipboardEvent) {
    const lines = linesOf(event.clipboardData.getData("text/plain"));
    if (lines.length < 2) return;
    event.preventDefault();
    setPasted(lines);
  }

  return (
    <form className="add" onSubmit={onSubmit}>
      <label className="sr-only" htmlFor={id}>
        New task
      </label>
      <div className="relative">
        <Plus
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3.5 size-4.5 -translate-y-1/2 text-accent"
        />
        <input
          aria-describedby={draft.chips.length > 0 ? `${id}-chips` : undefined}
          aria-keyshortcuts="c"
          autoComplete="off"
          className="h-12 w-full rounded-xl border border-line bg-surface pr-12 pl-11 placeholder:text-muted focus-visible:border-accent focus-visible:outline-offset-0"
          disabled={line === null}
          enterKeyHint="done"
          id={id}
          maxLength={400}
          name="title"
          onChange={(event) => write(event.target.value)}
          onFocus={() => setWanted(true)}
          onKeyDown={(event) => {
            if (event.key === "Escape") event.currentTarget.blur();
          }}
          onPaste={onPaste}
          placeholder="Add a task: call the bank tomorrow !high #home"
          ref={input}
          value={line ?? ""}
        />
        <button
          aria-label="Add task"
          className={`absolute top-1.5 right-1.5 grid size-9 place-items-center rounded-lg bg-accent text-on-accent ${line?.trim() ? "" : "invisible"}`}
          type="submit"
        >
          <ArrowUp aria-hidden="true" className="size-4.5" />
        </button>
      </div>
      {draft.chips.length > 0 && (
        <ul aria-label="Understood" className="mt-2 flex flex-wrap gap-1.5 pl-1" id={`${id}-chips`}>
          {draft.chips.map((chip) => (
            <li key={chip.words}>
              <button
                aria-label={`${sayChip(chip, today)}: keep “${chip.words}” as plain words`}
                className="chip hover:text-ink"
                onClick={() => {
                  setPlain([...plain, chip.words]);
                  input.current?.focus();
                }}
                type="button"
              >
                <ChipIcon kind={chip.kind} />
                {sayChip(chip, today)}
                <X aria-hidden="true" className="size-3 opacity-60" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {pasted && (
        <Dialog onClose={() => setPasted(null)} title={`Add ${pasted.length} tasks?`}>
          <p className="mt-1 text-muted">
            You pasted several lines. Each can be a task of its own.
          </p>
          <ol className="mt-4 max-h-60 list-decimal overflow-y-auto pl-6 text-sm marker:text-muted">
            {pasted.map((text, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines may be alike, and never move
              <li className="py-0.5 wrap-anywhere" key={index}>
                {text}
              </li>
            ))}
          </ol>
          <div className="mt-6 flex flex-wrap justify-end gap-3">
            <button
              className="button"
              onClick={() => {
                write(`${line ?? ""}${pasted.join(" ")}`);
                setPasted(null);
              }}
              type="button"
            >
              Paste as one line
            </button>
            <button
              className="button button-primary"
              data-autofocus={true}
              onClick={() => {
                void add(pasted);
                setPasted(null);
              }}
              type="button"
            >
              Add {pasted.length} tasks
            </button>
          </div>
        </Dialog>
      )}
    </form>
  );
}

function ChipIcon({ kind }: { kind: Chip["kind"] }) {
  const Icon = ICONS[kind];
  return <Icon aria-hidden="true" className="size-3" />;
}

function sayChip({ kind, value }: Chip, today: string): string {
  if (kind === "due") return sayDay(value, today);
  if (kind === "label") return value;
  return PRIORITY_NAMES[value as keyof typeof PRIORITY_NAMES];
}
