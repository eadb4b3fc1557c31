import { logRequests } from "./access-log";
import { getAuth, getPool } from "./auth";
import { writeClientAddresses } from "./client-address";
import { ConfigError, config } from "./config";
import { limitConsole } from "./log";
import { formatConsole } from "./log-lines";
import { migrate } from "./migration";
import { sweepOutbox } from "./outbox";
import { bypassProxies } from "./proxies";
import { reasonOf } from "./reason";
import { giveRequestIds } from "./request-id";
import { pushTo } from "./security-events";

/**
 * The most milliseconds from SIGTERM to the end of the process. Docker kills it after 10 seconds.
 */
const GRACE_MS = 9_000;

function stop(reason: string): never {
  console.error(`frontend: ${reason}`);
  process.exit(1);
}

/**
 * End the process at most `GRACE_MS` after SIGTERM. Next waits for each open connection, also for
 * those on which a browser sends no request for minutes.
 */
function limitGrace(): void {
  process.once("SIGTERM", () => setTimeout(() => process.exit(128 + 15), GRACE_MS).unref());
}

async function startMetrics(port: number): Promise<void> {
  const { serveMetrics } = await import("./metrics");
  try {
    console.info(`metrics: ${await serveMetrics(port, getPool(), authRoutes())}`);
  } catch (error) {
    stop(`METRICS_PORT: port ${port} of 127.0.0.1 cannot be used (${reasonOf(error)})`);
  }
}

/** Return the paths of Better Auth's endpoints, below `/api/auth`. */
function authRoutes(): Set<string> {
  // Endpoints for the server alone have no path, which their type does not say.
  const endpoints: { path?: string }[] = Object.values(getAuth().api);
  return new Set(endpoints.flatMap(({ path }) => path ?? []));
}

/**
 * Check the configuration and migrate the tables, without which the server must not start. Then
 * deliver revocations to the API for as long as the server runs.
 */
export async function start(): Promise<void> {
  try {
    const current = config();
    // In development every line is shown as it is.
    const isProduction = process.env.NODE_ENV === "production";
    if (isProduction || current.logFormat === "json") formatConsole(current.logFormat);
    if (isProduction) {
      limitConsole();
      limitGrace();
    }
    giveRequestIds();
    writeClientAddresses(current.trustedProxies);
    bypassProxies(process.env, current);
    if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT) {
      const { startTraces } = await import("./traces");
      startTraces(process.env.OTEL_SERVICE_NAME || "bearer-tasks-web");
    }
    await migrate(current).catch((error) =>
      stop(
        `DATABASE_URL: Better Auth's tables could not be brought up to date (${reasonOf(error)})`,
      ),
    );
    // Better Auth warns of missing tables if it is used before.
    if (current.accessLog) logRequests(current.logFormat, authRoutes());
    if (current.metricsPort !== undefined) await startMetrics(current.metricsPort);
    sweepOutbox(getPool(), pushTo(current), current.accessTokenMaxAge + 60);
  } catch (error) {
    stop(error instanceof ConfigError ? error.message : `could not start (${reasonOf(error)})`);
  }
}
