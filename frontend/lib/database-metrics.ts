import { setTimeout as sleep } from "node:timers/promises";
import { Gauge, type Registry } from "@prometheus-io/client";
import type { Connections } from "./connections";

/** Shorter than Prometheus's scrape timeout, so that an outage does not hide other metrics. */
const TIMEOUT_MS = 2000;

type Outbox = { length: number; age: number };

const UNKNOWN: Outbox = { length: Number.NaN, age: Number.NaN };

/** Return the number of events in the outbox, and the age of the oldest one in seconds. */
async function readOutbox(pool: Connections): Promise<Outbox> {
  const { rows } = await pool.query<Outbox>(
    `SELECT count(*)::int AS length,
      coalesce(extract(epoch FROM now() - min(ended_at)), 0)::float8 AS age
    FROM public.security_event_outbox`,
  );
  return rows[0] ?? UNKNOWN;
}

/** Add gauges of the database pool and of the outbox, which are read when they are scraped. */
export function measureDatabase(registry: Registry, pool: Connections): void {
  const registers = [registry];
  let reading: Promise<Outbox> | undefined;

  /** Read the outbox once for all gauges of a scrape. */
  function outbox(): Promise<Outbox> {
    reading ??= Promise.race([
      readOutbox(pool).catch(() => UNKNOWN),
      sleep(TIMEOUT_MS, UNKNOWN, { ref: false }),
    ]).finally(() => {
      reading = undefined;
    });
    return reading;
  }

  new Gauge({
    name: "tasks_web_database_up",
    help: "1 if the database answered within two seconds, else 0.",
    registers,
    async collect() {
      this.set(Number.isNaN((await outbox()).length) ? 0 : 1);
    },
  });
  new Gauge({
    name: "tasks_web_outbox_events",
    help: "Security events that the API has not accepted yet. NaN during an outage of the database.",
    registers,
    async collect() {
      this.set((await outbox()).length);
    },
  });
  new Gauge({
    name: "tasks_web_outbox_age_seconds",
    help: "Age of the oldest of these events, or 0. NaN during an outage of the database.",
    registers,
    async collect() {
      this.set((await outbox()).age);
    },
  });
  new Gauge({
    name: "tasks_web_pool_connections",
    help: "Connections of the database pool, and requests that wait for one.",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, number] of Object.entries(pool.use())) this.set({ state }, number);
    },
  });
}
