"use client";

import { type ReactNode, useLayoutEffect } from "react";
import { useSession } from "@/components/graphql/graphql";
import { isNewcomer } from "./draft";
import { Picture, type PictureName } from "./pictures";
import { SAMPLES } from "./samples";
import { taskCount } from "./task";
import { useApp, useStored, useView } from "./tasks-context";
import { useCreate } from "./use-create";
import { isListView, type ListName, type View } from "./view";

type Words = { picture: PictureName; title: string; text: string };

const WORDS: Readonly<Record<ListName, Words>> = {
  all: {
    picture: "all",
    title: "No open tasks",
    text: "Type a task above and press Enter. Dates, !high and #home are recognized as you type.",
  },
  today: {
    picture: "today",
    title: "Nothing is due today",
    text: "Tasks that are due today or overdue appear here. A task that you add here is due today.",
  },
  upcoming: {
    picture: "upcoming",
    title: "No upcoming tasks",
    text: "Tasks that are due later appear here. Add “friday” or “in two weeks” to a new task.",
  },
  completed: {
    picture: "completed",
    title: "Nothing completed yet",
    text: "Completed tasks appear here, the latest first.",
  },
  trash: {
    picture: "trash",
    title: "The trash is empty",
    text: "You can restore a task for 30 days after you moved it here.",
  },
};

const PROJECT: Words = {
  picture: "project",
  title: "No open tasks in this project",
  text: "A task that you add here belongs to the project. You can also drag tasks to its name.",
};

const NO_MATCH: Words = {
  picture: "search",
  title: "No matching tasks",
  text: "Try another word, or clear the filters.",
};

function wordsOf(view: View): Words {
  if (view.search || view.priority) return NO_MATCH;
  if (view.label === null && view.project === null) return WORDS[view.list];
  if (isListView(view)) return NO_MATCH;
  if (view.project !== null) return PROJECT;
  return {
    picture: "label",
    title: "No open tasks with this label",
    text: "A task that you add here gets the label.",
  };
}

/** Explains why a list is empty and what to do. */
function Empty() {
  const { show } = useApp();
  const { view } = useView();
  const words = wordsOf(view);
  return (
    <Message {...words}>
      {words === NO_MATCH && (
        <button className="button mt-5" onClick={() => show({ list: view.list })} type="button">
          Clear filters
        </button>
      )}
    </Message>
  );
}

/** The page of a person who has no tasks. */
function FirstRun() {
  const { owner } = useSession();
  const create = useCreate();

  // A layout effect runs before the next key press.
  useLayoutEffect(() => {
    // On a touch screen, the keyboard would cover the page.
    const canType = window.matchMedia("(hover: hover)").matches;
    if (!(isNewcomer(owner) && canType)) return;
    document.querySelector<HTMLInputElement>(".add-task [name=title]")?.focus();
  }, [owner]);

  return (
    <Message
      picture="welcome"
      text="No open tasks yet. Type a task above and press Enter. Dates, !high and #home are recognized as you type."
      title="Welcome to Bearer Tasks"
    >
      <button
        className="button mt-5"
        onClick={() => create(SAMPLES, `Added ${taskCount(SAMPLES.length)} to try`)}
        type="button"
      >
        Try it with four sample tasks
      </button>
    </Message>
  );
}

/** The message after all tasks that were due today are completed. */
export function AllDone({ count }: { count: number }) {
  return (
    <div role="status">
      <Message
        picture="done"
        text={`You completed ${taskCount(count)} today. Enjoy the rest of the day.`}
        title="All done for today"
      />
    </div>
  );
}

function Message({ picture, title, text, children }: Words & { children?: ReactNode }) {
  return (
    <div className="empty">
      <Picture name={picture} />
      <p className="mt-5 text-lg font-semibold">{title}</p>
      <p className="mx-auto mt-1 max-w-sm text-sm text-balance text-muted">{text}</p>
      {children}
    </div>
  );
}

/** An empty list, or a placeholder while the tasks are not known yet. */
export function EmptyOrLoading({ isKnown }: { isKnown: boolean }) {
  const { view } = useView();
  const hasNoTasks = useStored(
    (store) => store.state().isComplete && store.tables.tasks.ordered("manual").length === 0,
  );
  if (hasNoTasks && view.list === "all") return <FirstRun />;
  if (isKnown) return <Empty />;
  return (
    <div aria-busy="true" aria-label="Loading tasks" className="mt-4 grid gap-px" role="status">
      {["w-3/5", "w-2/5", "w-1/2", "w-2/3"].map((width) => (
        <div className="flex h-11 items-center gap-3.5 px-2" key={width}>
          <span className="size-5 rounded-full bg-line" />
          <span className={`h-3 rounded bg-line ${width}`} />
        </div>
      ))}
    </div>
  );
}
