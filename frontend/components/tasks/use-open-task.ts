import { useCallback, useEffect, useState } from "react";
import { useToast } from "@/components/toasts/toasts";
import { goTo, goToDialog } from "@/lib/history";
import { useStored, useView } from "./tasks-context";
import { pathOf, taskOf, viewOf } from "./view";

const query = () => new URLSearchParams(window.location.search);
const pathWith = (id: string | null) => pathOf(viewOf(query()), id);

/** Track the open task. Its id is in the URL, so a link opens the task and Back closes it. */
export function useOpenTask() {
  const { view } = useView();
  const toast = useToast();
  const [openId, setOpenId] = useState<string | null>(null);

  const open = useCallback((id: string) => {
    // Tasks that are opened one after the other share one history entry.
    if (taskOf(query()) === null) goToDialog(pathWith(id));
    else goTo(pathWith(id), false);
    setOpenId(id);
  }, []);

  const close = useCallback(() => {
    if (taskOf(query()) !== null) goTo(pathWith(null), false);
    setOpenId(null);
  }, []);

  useEffect(() => {
    const id = taskOf(query());
    if (id === null) return;
    // Add an entry for the list, so that Back leads from a linked task to it.
    goTo(pathWith(null), false);
    open(id);
  }, [open]);

  useEffect(() => {
    const onForward = () => {
      const id = taskOf(query());
      if (id !== null) setOpenId(id);
    };
    window.addEventListener("popstate", onForward);
    return () => window.removeEventListener("popstate", onForward);
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the address changes with the view
  useEffect(() => {
    if (taskOf(query()) === null) setOpenId(null);
  }, [view]);

  const openTask = useStored(({ tables }) => (openId === null ? null : tables.tasks.get(openId)));
  const isComplete = useStored((store) => store.state().isComplete);
  const isMissing = openId !== null && openTask === null && isComplete;
  useEffect(() => {
    if (!isMissing) return;
    close();
    toast({ name: "missing", message: "This task no longer exists." });
  }, [isMissing, close, toast]);

  return { openTask, open, close };
}
