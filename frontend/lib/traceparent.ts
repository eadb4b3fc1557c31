/** The name of the `<meta>` element with which the server asks its pages to begin traces. */
export const TRACES_META = "traces";

/**
 * Return a `traceparent` that begins a trace (W3C Trace Context §3.2) and asks the servers to
 * record it. Return null unless the server that sent this page records traces.
 *
 * The browser records no span. The first span of the trace is that of the server that gets the
 * request.
 */
export function newTraceparent(): string | null {
  if (!globalThis.document?.querySelector(`meta[name="${TRACES_META}"]`)) return null;
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-01`;
}
