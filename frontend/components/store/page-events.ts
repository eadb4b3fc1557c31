const POLL_MS = 5_000;

type Listener = {
  /** Called every few seconds while the page is visible. */
  onTimer: () => void;
  /** Called when the page becomes visible, or the network is back. */
  onReturn: () => void;
  onOffline: () => void;
};

/** Call the listener until the returned function is called. */
export function watchPage({ onTimer, onReturn, onOffline }: Listener): () => void {
  const events = new AbortController();
  const { signal } = events;
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") onTimer();
  }, POLL_MS);
  // A device that has just woken may have no network. The `online` event then calls this again.
  // Polling continues in the meantime, because `onLine` may be wrong.
  const onBack = () => {
    if (navigator.onLine) onReturn();
  };
  document.addEventListener("visibilitychange", onBack, { signal });
  window.addEventListener("online", onBack, { signal });
  window.addEventListener("offline", onOffline, { signal });
  return () => {
    clearInterval(timer);
    events.abort();
  };
}
