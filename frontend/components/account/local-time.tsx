"use client";

import { useHydrated } from "@/lib/use-hydrated";

const FORMAT = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** A time in the reader's time zone, which the server does not know. */
export function LocalTime({ at }: { at: string }) {
  const isHydrated = useHydrated();
  return <time dateTime={at}>{isHydrated ? FORMAT.format(new Date(at)) : at.slice(0, 10)}</time>;
}
