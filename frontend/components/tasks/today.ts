import { toIsoDay } from "./task";

/** Tells the server the reader's time zone, so that it renders "Today" correctly. */
export const TIME_ZONE_COOKIE = "time-zone";

/** Return the current day in a time zone, or in UTC if the time zone is unknown. */
export function todayIn(timeZone: string | undefined): string {
  try {
    return new Intl.DateTimeFormat("en-CA", { timeZone: timeZone ?? "UTC" }).format(new Date());
  } catch {
    return new Date().toISOString().slice(0, 10);
  }
}

/** Return the current day here, and set the cookie for the server. */
export function localToday(): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is for https alone
  document.cookie = `${TIME_ZONE_COOKIE}=${timeZone}; path=/; max-age=31536000; samesite=lax`;
  return toIsoDay(new Date());
}
