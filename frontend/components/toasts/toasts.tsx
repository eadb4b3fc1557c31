"use client";

import { X } from "lucide-react";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";

export type Toast = {
  message: string;
  /** An error is announced at once and stays until it is closed. */
  isError?: boolean;
  action?: { label: string; run: () => void };
  /** Takes the place of the one with the same name. */
  name?: string;
};

type Shown = Toast & { key: number };

const LIFE_MS = 8000;

const ToastContext = createContext<((toast: Toast) => void) | null>(null);

export function useToast(): (toast: Toast) => void {
  const show = useContext(ToastContext);
  if (!show) throw new Error("useToast is used outside Toasts");
  return show;
}

let lastKey = 0;

/** Short messages at the foot of the page, the newest last. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Shown[]>([]);
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

  return (
    <ToastContext value={show}>
      {children}
      <section
        aria-label="Notifications"
        aria-live="polite"
        className="toasts pointer-events-none fixed inset-x-0 bottom-0 z-10 grid justify-items-center gap-2 p-4"
      >
        {toasts.map((toast) => (
          <ToastCard close={close} key={toast.key} toast={toast} />
        ))}
      </section>
    </ToastContext>
  );
}

function ToastCard({ toast, close }: { toast: Shown; close: (key: number) => void }) {
  const [isHeld, setHeld] = useState(false);
  const { key, message, isError, action } = toast;

  useEffect(() => {
    if (isHeld || isError) return;
    const timer = setTimeout(() => close(key), LIFE_MS);
    return () => clearTimeout(timer);
  }, [isHeld, isError, key, close]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: holds the toast while it is read, runs nothing
    <div
      className="pointer-events-auto flex w-full max-w-md animate-rise items-center gap-2 rounded-xl bg-ink py-1.5 pr-1.5 pl-4 text-sm text-paper shadow-lift"
      onBlur={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      role={isError ? "alert" : "status"}
    >
      <p className="min-w-0 flex-1 py-1.5 break-words">{message}</p>
      {action && (
        <button
          className="rounded-lg px-3 py-1.5 font-semibold underline underline-offset-4"
          onClick={() => {
            close(key);
            action.run();
          }}
          type="button"
        >
          {action.label}
        </button>
      )}
      <button
        aria-label="Close"
        className="grid size-8 place-items-center rounded-lg opacity-70 hover:opacity-100"
        onClick={() => close(key)}
        type="button"
      >
        <X aria-hidden="true" className="size-4" />
      </button>
    </div>
  );
}
