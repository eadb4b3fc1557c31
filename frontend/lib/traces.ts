import { type Attributes, context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { framesOf, hidden } from "./log-lines";

const BATCH_MS = 1000;
/** Attributes with the URL of a request, which may contain a token of a mailed link. */
const URLS: ReadonlySet<string> = new Set(["http.target", "http.url", "url.full", "url.path"]);

/**
 * Return attributes without the URLs of requests, e-mail addresses, tokens and messages of errors.
 */
function safe(attributes: Attributes): Attributes {
  const kept: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (URLS.has(name)) kept[name] = "";
    else if (name === "exception.stacktrace") kept[name] = framesOf(String(value));
    else if (name !== "exception.message")
      kept[name] = typeof value === "string" ? hidden(value) : value;
  }
  return kept;
}

/**
 * Exports spans without values that may be secret. Next records the errors of pages with their
 * messages.
 */
export class HidingProcessor extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    const events = span.events.map((event) => ({
      ...event,
      attributes: safe(event.attributes ?? {}),
    }));
    const replaced = {
      name: hidden(span.name),
      attributes: safe(span.attributes),
      events,
      status: { code: span.status.code },
    };
    super.onEnd(Object.assign(Object.create(span), replaced));
  }
}

/**
 * Export the spans that Next and this app make. A trace that begins elsewhere is recorded if its
 * `traceparent` says so. The exporter reads `OTEL_EXPORTER_OTLP_ENDPOINT`.
 */
export function startTraces(serviceName: string): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(
    new TracerProvider({
      resource: resourceFromAttributes({ "service.name": serviceName }),
      sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
      spanProcessors: [
        new HidingProcessor({
          exporter: new OTLPTraceExporter(),
          scheduledDelayMillis: BATCH_MS,
        }),
      ],
    }),
  );
}
