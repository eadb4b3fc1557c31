import type { MetadataRoute } from "next";
import { PAPER } from "@/components/appearance/choices";
import { HOME } from "@/lib/next-path";

export default function manifest(): MetadataRoute.Manifest {
  return {
    name: "Bearer Tasks",
    short_name: "Tasks",
    description: "Your tasks, and nobody else's.",
    id: HOME,
    start_url: HOME,
    display: "standalone",
    background_color: PAPER.light,
    theme_color: PAPER.light,
    icons: [
      { src: "/icon.svg", sizes: "any", type: "image/svg+xml" },
      { src: "/icon-512.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
      { src: "/icon-192.png", sizes: "192x192", type: "image/png" },
    ],
  };
}
