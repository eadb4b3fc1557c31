"use client";

import dynamic from "next/dynamic";

/** GraphiQL, in the browser alone: its editor needs a window, and 1.2 MB that no other page should load. */
export const Graphiql = dynamic(() => import("./editor"), {
  ssr: false,
  loading: () => (
    <p className="p-6 text-muted" role="status">
      Loading the editor…
    </p>
  ),
});
