import type { Connections } from "./connections";
// With its extension, so that Node can import this file without a bundler, as a test does.
import { LastingProblem } from "./lasting-problem.ts";
import type { SecurityEvent } from "./security-events";

export type Delivery = {
  /** The ids of the events, by the response of the API. The `failed` ones got no valid response. */
  taken: string[];
  refused: string[];
  failed: string[];
  /** Why the last of the failed events could not be delivered. */
  problem: string;
  /** The milliseconds that the API asks to wait. */
  wait: number;
};

/** What became of an event that failed. */
type Fate = "waits" | "delivered" | "refused" | "expired" | "expired, and others wait";

const ENDS = {
  delivered: "security events: the API accepts them again",
  refused: "security events: the API responds again, but refuses an event",
  expired: "security events: those that the API did not accept have expired",
} as const;

/**
 * Logs that the API accepts no events, and how this problem ends. The problem lasts at least until
 * the API has responded to an event that failed, or until that event has expired.
 */
export class DeliveryProblem {
  readonly #pool: Connections;
  readonly #lifetime: number;
  readonly #lasting = new LastingProblem(
    "security events: the API does not accept them, and they stay in the outbox",
    ENDS.delivered,
  );
  #failed: SecurityEvent | undefined;

  /** A session event expires `lifetime` seconds after the end of the session. */
  constructor(pool: Connections, lifetime: number) {
    this.#pool = pool;
    this.#lifetime = lifetime;
  }

  /** Report the delivery of these events. */
  async note(events: SecurityEvent[], delivery: Delivery): Promise<void> {
    const { taken, refused, failed, problem } = delivery;
    if (failed.length > 0) {
      this.#failed = events.find(({ jti }) => jti === failed.at(-1));
      this.#lasting.lasts(problem);
    } else if (this.#failed) {
      const { jti } = this.#failed;
      const fate = refused.includes(jti) ? "refused" : await this.#fateOf(this.#failed);
      if (fate === "waits") return;
      const end = taken.length > 0 ? "delivered" : fate;
      if (end === "expired, and others wait") return;
      this.#failed = undefined;
      this.#lasting.ends(ENDS[end]);
    }
  }

  /**
   * Return what became of an event. If it has left the outbox before it expired, a process has
   * delivered it. If it has expired and other events wait for a retry, the problem lasts until the
   * API accepts one.
   */
  async #fateOf({ jti, sessionId, endedAt }: SecurityEvent): Promise<Fate> {
    const { rows } = await this.#pool.query<{ fate: Fate }>(
      `SELECT CASE
        WHEN EXISTS (SELECT FROM public.security_event_outbox WHERE jti = $1) THEN 'waits'
        WHEN $2::text IS NULL OR now() < $3::timestamptz + make_interval(secs => $4)
          THEN 'delivered'
        WHEN EXISTS (SELECT FROM public.security_event_outbox WHERE attempts > 0)
          THEN 'expired, and others wait'
        ELSE 'expired'
      END AS fate`,
      [jti, sessionId, endedAt, this.#lifetime],
    );
    return rows[0]?.fate ?? "waits";
  }
}
