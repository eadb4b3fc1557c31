"use client";

import { useEffect } from "react";

/** Installs the service worker, with which the app opens without a network. */
export function InstallServiceWorker() {
  useEffect(() => {
    // In development there is none: its scripts change with each edit.
    if (process.env.NODE_ENV !== "production" || !("serviceWorker" in navigator)) return;
    // Browsers refuse it in some private windows. The app then needs the network to open.
    navigator.serviceWorker
      .register("/service-worker.js", { updateViaCache: "none" })
      .catch(() => null);
  }, []);
  return null;
}
