"use client";

// biome-ignore lint/style/noRestrictedImports: it has a `loading` component
import dynamic from "next/dynamic";

/**
 * GraphiQL, loaded only in the browser and only on this page: its editor has 1.2 MB and needs a
 * window.
 */
export const Graphiql = dynamic(() => import("./editor"), {
  ssr: false,
  loading: () => (
    <p className="p-6 text-muted" role="status">
      Loading the editor…
    </p>
  ),
});
