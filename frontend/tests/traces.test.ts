import { SpanStatusCode } from "@opentelemetry/api";
import { type ReadableSpan, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { HidingProcessor } from "../lib/traces";

test("a span has the places of an error and no secret", async () => {
  const exported: ReadableSpan[] = [];
  const exporter = {
    export(spans: ReadableSpan[], done: (result: { code: number }) => void) {
      exported.push(...spans);
      done({ code: 0 });
    },
    shutdown: async () => {},
  };
  const processor = new HidingProcessor({ exporter });
  const provider = new TracerProvider({ spanProcessors: [processor] });
  const span = provider.getTracer("test").startSpan("GET /confirm?token=canary");
  span.setAttribute("http.target", "/confirm?token=canary");
  span.setAttribute("http.method", "GET");
  const error = new TypeError("a title: canary\nof two lines: canary");
  span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  span.end();
  await processor.forceFlush();

  const [{ name, attributes, events, status, kind, duration } = {} as ReadableSpan] = exported;
  const written = JSON.stringify([name, attributes, events, status]);
  expect(written).not.toContain("canary");
  expect(attributes["http.method"]).toBe("GET");
  expect(status.code).toBe(SpanStatusCode.ERROR);
  expect(events[0]?.attributes?.["exception.type"]).toBe("TypeError");
  expect(events[0]?.attributes?.["exception.stacktrace"]).toMatch(/^ +at /);
  expect([kind, duration]).toEqual([span["kind" as never], span["duration" as never]]);
});
