import { toIsoDay } from "./task";

/** Tells the server which day it is where the reader is, so that "Today" is theirs from the start. */
export const TIME_ZONE_COOKIE = "time-zone";

/** The day in a time zone; in UTC when it is none that is known. */
export function todayIn(timeZone: string | undefined): string {
  try {
    return new Intl.DateTimeFormat("en-CA", { timeZone: timeZone ?? "UTC" }).format(new Date());
  } catch {
    return new Date().toISOString().slice(0, 10);
  }
}

/** The day here, and the cookie that lets the server know it next time. */
export function localToday(): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is for https alone
  document.cookie = `${TIME_ZONE_COOKIE}=${timeZone}; path=/; max-age=31536000; samesite=lax`;
  return toIsoDay(new Date());
}
