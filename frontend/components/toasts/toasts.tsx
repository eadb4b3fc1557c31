"use client";

import { X } from "lucide-react";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useState,
} from "react";

type Action = { label: string; run: () => void };

type Toast = {
  message: string;
  /** An error is announced immediately and stays until it is closed. */
  isError?: boolean;
  action?: Action | undefined;
  /** Shows what the message is about. */
  show?: (() => void) | undefined;
  /** Replaces the toast with the same name. */
  name?: string;
};

type ShownToast = Toast & { key: number };

type Outlets = {
  toasts: readonly ShownToast[];
  /** The outlet that shows the toasts: the one that was mounted last. */
  top: string | undefined;
  /** Adds an outlet. Returns what removes it. */
  addOutlet: (outlet: string) => () => void;
  close: (key: number) => void;
};

const DURATION_MS = 8000;

const ToastContext = createContext<((toast: Toast) => void) | null>(null);
const OutletContext = createContext<Outlets | null>(null);

export function useToast(): (toast: Toast) => void {
  const show = useContext(ToastContext);
  if (!show) throw new Error("useToast is used outside Toasts");
  return show;
}

let lastKey = 0;

/** Keeps short messages, the newest last. A `ToastOutlet` shows them. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly ShownToast[]>([]);
  const [outlets, setOutlets] = useState<readonly string[]>([]);
  const show = useCallback((toast: Toast) => {
    lastKey += 1;
    const key = lastKey;
    setToasts((shown) => {
      const others = shown.filter(({ name }) => name === undefined || name !== toast.name);
      return [...others.slice(-2), { ...toast, key }];
    });
  }, []);
  const close = useCallback((key: number) => {
    setToasts((shown) => shown.filter((toast) => toast.key !== key));
  }, []);
  const addOutlet = useCallback((outlet: string) => {
    setOutlets((before) => [...before, outlet]);
    return () => setOutlets((before) => before.filter((other) => other !== outlet));
  }, []);
  const top = outlets.at(-1);
  const context = useMemo(
    () => ({ toasts, top, addOutlet, close }),
    [toasts, top, addOutlet, close],
  );

  return (
    <ToastContext value={show}>
      <OutletContext value={context}>{children}</OutletContext>
    </ToastContext>
  );
}

/**
 * Shows toasts. There is one on each page and one in each modal dialog, because a modal dialog
 * makes the page inert. The one that was mounted last shows them.
 */
export function ToastOutlet() {
  const context = useContext(OutletContext);
  if (!context) throw new Error("ToastOutlet is used outside Toasts");
  const { toasts, top, addOutlet, close } = context;
  const id = useId();

  useLayoutEffect(() => addOutlet(id), [addOutlet, id]);

  if (top !== id) return null;
  return (
    <section aria-label="Notifications" aria-live="polite" className="toasts">
      {toasts.map((toast) => (
        <ToastCard close={close} key={toast.key} toast={toast} />
      ))}
    </section>
  );
}

function ToastCard({ toast, close }: { toast: ShownToast; close: (key: number) => void }) {
  const [isPaused, setPaused] = useState(false);
  const { key, message, isError, action, show } = toast;
  const actions = [...(show ? [{ label: "Show", run: show }] : []), ...(action ? [action] : [])];

  useEffect(() => {
    if (isPaused || isError) return;
    const timer = setTimeout(() => close(key), DURATION_MS);
    return () => clearTimeout(timer);
  }, [isPaused, isError, key, close]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: holds the toast while it is read, runs nothing
    <div
      className="toast"
      onBlur={() => setPaused(false)}
      onFocus={() => setPaused(true)}
      onPointerEnter={() => setPaused(true)}
      onPointerLeave={() => setPaused(false)}
      role={isError ? "alert" : "status"}
    >
      <p className="min-w-0 flex-1 py-1.5 break-words">{message}</p>
      {actions.map(({ label, run }) => (
        <button
          className="rounded-lg px-2 py-1.5 font-semibold underline underline-offset-4"
          key={label}
          onClick={() => {
            close(key);
            run();
          }}
          type="button"
        >
          {label}
        </button>
      ))}
      <button
        aria-label="Close"
        className="grid size-8 shrink-0 place-items-center rounded-lg opacity-70 hover:opacity-100"
        onClick={() => close(key)}
        type="button"
      >
        <X aria-hidden="true" className="size-4" />
      </button>
    </div>
  );
}
