import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Counter, Histogram, type Registry } from "@prometheus-io/client";

const SIGN_IN = "/api/auth/sign-in/email";
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The result of a sign-in with this status. */
function resultOf(status: number): string {
  if (status < 400) return "succeeded";
  if (status === 401 || status === 403) return "refused";
  if (status === 429) return "limited";
  return status < 500 ? "invalid" : "failed";
}

type Exchange = { request: IncomingMessage; response: ServerResponse; server: Server };

/**
 * Count the finished requests of this process in the registry, except for those to `metricsServer`.
 * Node publishes the end of each request, so neither Next nor the routes are changed for this.
 */
export function countRequests(
  registry: Registry,
  routeOf: (url: string) => string,
  metricsServer: Server,
): void {
  const registers = [registry];
  const requests = new Counter({
    name: "tasks_web_requests_total",
    help: "Finished requests by route, method and status.",
    labelNames: ["route", "method", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "tasks_web_request_seconds",
    help: "Seconds from a request until its response was handed to the operating system.",
    labelNames: ["route"],
    buckets: BUCKETS,
    registers,
  });
  const signIns = new Counter({
    name: "tasks_web_sign_ins_total",
    help: "Sign-ins with a password by result.",
    labelNames: ["result"],
    registers,
  });
  // The route is read at the start, because Next may rewrite the URL of a request.
  const begun = new WeakMap<IncomingMessage, { route: string; start: number }>();

  subscribe("http.server.request.start", (message) => {
    const { request, server } = message as Exchange;
    if (server === metricsServer) return;
    begun.set(request, { route: routeOf(request.url ?? ""), start: performance.now() });
  });
  subscribe("http.server.response.finish", (message) => {
    const { request, response } = message as Exchange;
    const known = begun.get(request);
    if (!known) return;
    const { route, start } = known;
    const { method = "" } = request;
    const status = response.statusCode;
    requests.inc({ route, method, status });
    seconds.observe({ route }, (performance.now() - start) / 1000);
    if (route === SIGN_IN && method === "POST") signIns.inc({ result: resultOf(status) });
  });
}
