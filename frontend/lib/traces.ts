import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { hidden } from "./log-lines";

const BATCH_MS = 1000;
/** Attributes with the URL of a request, which may contain a token of a mailed link. */
const URLS: ReadonlySet<string> = new Set(["http.target", "http.url", "url.full", "url.path"]);

/** Exports spans without the URLs of requests, e-mail addresses and tokens. */
class HidingProcessor extends BatchSpanProcessor {
  override onStart(...[span, parent]: Parameters<BatchSpanProcessor["onStart"]>): void {
    for (const [name, value] of Object.entries(span.attributes)) {
      if (URLS.has(name)) span.setAttribute(name, "");
      else if (typeof value === "string") span.setAttribute(name, hidden(value));
    }
    super.onStart(span, parent);
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
