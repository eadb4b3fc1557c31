import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Registry } from "@prometheus-io/client";
import type { Connections } from "./connections";
import { measureDatabase } from "./database-metrics";
import { pageOrRouteOf } from "./metric-routes";
import { reasonOf } from "./reason";
import { countRequests } from "./request-metrics";

/** Only programs on this machine may read the metrics. */
const ADDRESS = "127.0.0.1";

/**
 * Count what this process does, and serve the metrics to Prometheus until the process ends. Return
 * the origin of their URL, whose path is /metrics.
 *
 * @throws if the port is in use.
 */
export async function serveMetrics(
  port: number,
  pool: Connections,
  authRoutes: ReadonlySet<string>,
): Promise<string> {
  const registry = new Registry();
  const server = createServer(async (_, response) => {
    try {
      const text = await registry.metrics();
      response.writeHead(200, { "Content-Type": registry.contentType }).end(text);
    } catch (error) {
      console.error(`metrics: a metric could not be read (${reasonOf(error)})`);
      response.writeHead(500).end();
    }
  });
  server.listen(port, ADDRESS);
  await once(server, "listening");
  collectDefaultMetrics({ register: registry });
  measureDatabase(registry, pool);
  countRequests(registry, (url) => pageOrRouteOf(url, authRoutes), server);
  return `http://${ADDRESS}:${(server.address() as AddressInfo).port}`;
}
