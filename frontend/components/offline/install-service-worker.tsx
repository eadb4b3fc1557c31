"use client";

import { useEffect } from "react";

/** Installs the service worker, so that the app opens without a network. */
export function InstallServiceWorker() {
  useEffect(() => {
    // `make dev` has no service worker, because scripts change with each edit.
    if (process.env.NODE_ENV !== "production" || !("serviceWorker" in navigator)) return;
    // Browsers refuse service workers in some private windows. The app then opens only with a
    // network.
    navigator.serviceWorker
      .register("/service-worker.js", { updateViaCache: "none" })
      .catch(() => null);
  }, []);
  return null;
}
