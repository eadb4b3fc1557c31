import { getPool } from "./auth";
import { writeClientAddresses } from "./client-address";
import { ConfigError, config } from "./config";
import { limitConsole } from "./log";
import { migrate } from "./migration";
import { sweepOutbox } from "./outbox";
import { bypassProxies } from "./proxies";
import { reasonOf } from "./reason";
import { pushTo } from "./security-events";

function stop(reason: string): never {
  console.error(`frontend: ${reason}`);
  process.exit(1);
}

/**
 * Checks the configuration and brings the tables up to date, since a server without them must not
 * serve; then sees to it for as long as it runs that the API hears of what ended.
 */
export async function start(): Promise<void> {
  // A developer shall see every line.
  if (process.env.NODE_ENV === "production") limitConsole();
  try {
    const current = config();
    writeClientAddresses(current.trustedProxies);
    bypassProxies(process.env, current);
    await migrate(current);
    sweepOutbox(getPool(), pushTo(current), current.accessTokenMaxAge + 60);
  } catch (error) {
    if (error instanceof ConfigError) stop(error.message);
    stop(`DATABASE_URL: Better Auth's tables could not be brought up to date (${reasonOf(error)})`);
  }
}
