import {
  type SyntheticEvent,
  useEffect,
  useEffectEvent,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useSession } from "@/components/graphql/graphql";
import { usePageLeave } from "@/components/keyboard/use-page-leave";
import { clearUnsavedText, saveUnsavedText, type UnsavedText } from "./draft";
import type { Text } from "./noun";
import type { Task } from "./task";
import { cleanDescription, lengthProblem, oneLine } from "./text";
import type { Actions } from "./use-actions";

/** The debounce delay: milliseconds from the last key to the save. */
const DEBOUNCE_MS = 1_000;

type Caret = { field: HTMLTextAreaElement; start: number; end: number };

const NAMES = ["title", "description"] as const;

const CLEAN = { title: oneLine, description: cleanDescription } as const;

/** Return why each text cannot be saved. */
function problemsOf(typed: Text): Text {
  const problems: Text = {};
  for (const name of NAMES) {
    const problem = lengthProblem(name, CLEAN[name](typed[name] ?? ""));
    if (problem) problems[name] = problem;
  }
  return problems;
}

/** Return the changed texts that can be saved. An empty title cannot. */
function unsavedOf(typed: Text, baseText: Text): Text {
  const problems = problemsOf(typed);
  const unsaved: Text = {};
  for (const name of NAMES) {
    if (typed[name] === undefined || problems[name]) continue;
    const text = CLEAN[name](typed[name]);
    if (text !== baseText[name] && (text || name !== "title")) unsaved[name] = text;
  }
  return unsaved;
}

/**
 * Edit the title and description of a task. They are saved after a pause (debounce), when the field
 * is left, and when the page is left or hidden. A text that is too long is not saved: it stays in
 * its field and in this tab's storage.
 *
 * @param restored text that was typed before a reload or a sign-in.
 */
export function useTextEdit(task: Task, restored: UnsavedText | null, write: Actions["write"]) {
  const { owner } = useSession();
  const [typed, setTyped] = useState<Text>(restored?.typed ?? {});
  const [baseText, setBaseText] = useState<Text>(restored?.baseText ?? {});
  const [isComposing, setComposing] = useState(false);
  const [hasSaved, setSaved] = useState(false);
  const unsaved = unsavedOf(typed, baseText);
  const problems = problemsOf(typed);
  const hasTyped = Object.keys(typed).length > 0;

  useEffect(() => {
    if (hasTyped) saveUnsavedText(owner, { id: task.id, typed, baseText });
    else clearUnsavedText(owner);
  }, [owner, task.id, hasTyped, typed, baseText]);

  function change(name: keyof Text, text: string) {
    if (typed[name] === undefined) setBaseText({ ...baseText, [name]: task[name] });
    setTyped({ ...typed, [name]: text });
  }

  /** Save what can be saved, and continue. */
  function save() {
    const names = NAMES.filter((name) => unsaved[name] !== undefined);
    if (names.length === 0) return;
    const before: Text = {};
    for (const name of names) before[name] = baseText[name] ?? "";
    // One undo reverts all texts that were typed in one go.
    write(task, unsaved, before, hasSaved);
    setBaseText({ ...baseText, ...unsaved });
    setSaved(true);
  }

  /** Save what can be saved, and show the task's stored text again. */
  function saveAndReset() {
    save();
    const unsaveable: Text = {};
    for (const name of NAMES) if (problems[name] && typed[name]) unsaveable[name] = typed[name];
    setTyped(unsaveable);
    setSaved(false);
    // At once: the panel may be unmounted before an effect runs.
    if (Object.keys(unsaveable).length === 0) clearUnsavedText(owner);
  }

  const caret = useRef<Caret | null>(null);
  const { title, description } = task;
  // A browser moves the caret to the end when the value of a field is replaced.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a text from elsewhere moves the caret
  useLayoutEffect(() => {
    const before = caret.current;
    if (before === null || hasTyped || before.field !== document.activeElement) return;
    before.field.setSelectionRange(before.start, before.end);
  }, [title, description]);

  usePageLeave(save);
  const onPause = useEffectEvent(save);
  const onUnmount = useEffectEvent(save);
  useEffect(() => () => onUnmount(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the text starts the pause anew
  useEffect(() => {
    if (isComposing) return;
    const timer = setTimeout(onPause, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [typed, isComposing]);

  return {
    typed,
    problems,
    isSaved: Object.keys(unsaved).length === 0,
    type: change,
    leave: saveAndReset,
    /**
     * Call this when the caret moves, so that it keeps its place when the text is changed
     * elsewhere.
     */
    onSelect: ({ currentTarget: field }: SyntheticEvent<HTMLTextAreaElement>) => {
      caret.current = { field, start: field.selectionStart, end: field.selectionEnd };
    },
    /** Handlers for the element around the fields. */
    composition: {
      onCompositionStart: () => setComposing(true),
      onCompositionEnd: () => setComposing(false),
    },
  };
}
