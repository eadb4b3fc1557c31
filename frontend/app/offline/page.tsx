import type { Metadata } from "next";
import { OfflineApp } from "@/components/offline/offline-app";
import { config } from "@/lib/config";

export const metadata: Metadata = { title: "Offline" };

/** The page that the service worker stores. It is the same for everybody. */
export default function OfflinePage() {
  return <OfflineApp apiUrl={config().apiUrl} />;
}
