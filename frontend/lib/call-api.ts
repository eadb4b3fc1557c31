import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { REQUEST_ID_HEADER, requestId } from "./request-id";

/**
 * Call the API in a span, with the headers that connect its log and its spans with those of this
 * server. Without traces, only the request id is sent.
 */
export async function callApi<T>(
  name: string,
  call: (headers: Record<string, string>) => Promise<T>,
): Promise<T> {
  return await trace
    .getTracer("web")
    .startActiveSpan(name, { kind: SpanKind.CLIENT }, async (span) => {
      const headers: Record<string, string> = { [REQUEST_ID_HEADER]: requestId() };
      propagation.inject(context.active(), headers);
      try {
        return await call(headers);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
}
