import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import type { ClientBase } from "pg";
import type { Connections } from "./connections";
import { type Delivery, DeliveryProblem } from "./delivery-problem";
import { LastingProblem } from "./lasting-problem";
import { reasonOf } from "./reason";
import type { Push, SecurityEvent } from "./security-events";

/** How long a request waits for the delivery of its revocations, in milliseconds. */
const DELIVERY_TIMEOUT_MS = 2000;
const CONCURRENT_PUSHES = 16;
const BATCH = 64;
const SWEEP_MS = 1000;
/** The longest `Retry-After` that is respected, so that a sign-out is delivered soon. */
const MAX_WAIT_MS = 30_000;
/** Shorter than a claim, so that no other process pushes the same event meanwhile. */
const SWEEP_TIMEOUT_MS = 8000;
const FORGET_MS = 60_000;

/** Run one by one: together they would hold locks on both tables. */
const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS public.security_event_outbox (
    jti uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    txn text NOT NULL DEFAULT pg_current_xact_id()::text,
    user_id text NOT NULL,
    session_id text,
    ended_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now() + interval '1 second',
    claimed_until timestamptz
  )`,
  `COMMENT ON TABLE public.security_event_outbox IS
    'Sessions and accounts (without session_id) that ended, until the API has heard of it'`,
  `CREATE INDEX IF NOT EXISTS security_event_outbox_due ON public.security_event_outbox (due_at)`,
  `CREATE INDEX IF NOT EXISTS security_event_outbox_user ON public.security_event_outbox (user_id)`,
  // A token outlives its session by at most 31 days, the limit of ACCESS_TOKEN_MAX_AGE.
  `CREATE OR REPLACE FUNCTION public.note_security_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      IF TG_TABLE_NAME = 'user' THEN
        INSERT INTO public.security_event_outbox (user_id) VALUES (OLD.id);
      ELSIF OLD."expiresAt" > now() - interval '31 days' THEN
        INSERT INTO public.security_event_outbox (user_id, session_id) VALUES (OLD."userId", OLD.id);
      END IF;
      RETURN NULL;
    END $$`,
  `CREATE OR REPLACE TRIGGER note_security_event AFTER DELETE ON public."session"
    FOR EACH ROW EXECUTE FUNCTION public.note_security_event()`,
  `CREATE OR REPLACE TRIGGER note_security_event AFTER DELETE ON public."user"
    FOR EACH ROW EXECUTE FUNCTION public.note_security_event()`,
];

/**
 * Create the outbox, and the triggers that fill it in the transaction that deletes a session or an
 * account. Changes nothing if they exist.
 */
export async function prepareOutbox(client: ClientBase): Promise<void> {
  for (const statement of SCHEMA) await client.query(statement);
}

const affectedUsers = new AsyncLocalStorage<Set<string>>();

/**
 * Track whose sessions a request may have revoked: the person who is signed in and, for requests
 * without a session, the person whom Better Auth reports. The outbox knows which sessions.
 */
export function revocationTracking(): BetterAuthPlugin {
  return {
    id: "endings",
    init: () => ({
      options: {
        databaseHooks: {
          session: { delete: { after: async ({ userId }) => noteRevocation(userId) } },
          user: { delete: { after: async ({ id }) => noteRevocation(id) } },
        },
      },
    }),
    hooks: {
      after: [
        {
          matcher: (ctx) => ctx.request?.method === "POST",
          handler: createAuthMiddleware(async (ctx) =>
            noteRevocation(ctx.context.session?.user.id),
          ),
        },
      ],
    },
  };
}

/**
 * Note that the request may have revoked a person's sessions or account, where Better Auth cannot
 * know it.
 */
export function noteRevocation(userId: string | undefined): void {
  if (userId) affectedUsers.getStore()?.add(userId);
}

/**
 * Run `work` and return its result with the ids of the people whose sessions it may have revoked.
 */
export async function trackRevocations<T>(
  work: () => Promise<T>,
): Promise<[T, whose: Set<string>]> {
  const userIds = new Set<string>();
  const result = await affectedUsers.run(userIds, work);
  return [result, userIds];
}

// A claim expires, so that another process pushes the events of a process that died.
const CLAIM = `
  UPDATE public.security_event_outbox
  SET attempts = attempts + 1, claimed_until = now() + interval '10 seconds'`;
const CLAIMED = `
  RETURNING jti, txn, user_id AS "userId", session_id AS "sessionId", ended_at AS "endedAt"`;

async function claimNew(pool: Connections, users: string[]): Promise<SecurityEvent[]> {
  const claimed = await pool.query<SecurityEvent>(
    `${CLAIM} WHERE jti IN (
      SELECT jti FROM public.security_event_outbox WHERE user_id = ANY($1) AND attempts = 0
      FOR UPDATE SKIP LOCKED
    ) ${CLAIMED}`,
    [users],
  );
  return claimed.rows;
}

async function claimDue(pool: Connections, most: number): Promise<SecurityEvent[]> {
  const claimed = await pool.query<SecurityEvent>(
    `${CLAIM} WHERE jti IN (
      SELECT jti FROM public.security_event_outbox
      WHERE due_at <= now() AND (claimed_until IS NULL OR claimed_until <= now())
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) ${CLAIMED}`,
    [most],
  );
  return claimed.rows;
}

/** Push claimed events and store the result. */
async function deliver(
  pool: Connections,
  push: Push,
  events: SecurityEvent[],
  signal: AbortSignal,
): Promise<Delivery> {
  const remaining = [...events];
  const taken: string[] = [];
  const refused: string[] = [];
  const failed: string[] = [];
  let problem = "";
  let wait = 0;

  async function pushSome(): Promise<void> {
    // Stop after as many failures as there are concurrent pushes: the others would fail, too.
    for (
      let event = remaining.pop();
      event;
      event = failed.length < CONCURRENT_PUSHES ? remaining.pop() : undefined
    ) {
      const outcome = await push(event, signal);
      if (outcome === "taken") taken.push(event.jti);
      else if (outcome === "refused") refused.push(event.jti);
      else {
        failed.push(event.jti);
        problem = outcome.later;
        wait = Math.min(Math.max(wait, outcome.retryAfter), MAX_WAIT_MS);
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_PUSHES }, pushSome));

  if (taken.length > 0) {
    await pool.query("DELETE FROM public.security_event_outbox WHERE jti = ANY($1)", [taken]);
  }
  if (taken.length < events.length) {
    await pool.query(
      `UPDATE public.security_event_outbox
      SET claimed_until = NULL, due_at = now() + CASE
        WHEN jti = ANY($2) THEN least(power(2, attempts), 3600) * interval '1 second'
        WHEN jti = ANY($3) THEN greatest(least(attempts, 4), $4::float8) * interval '1 second'
        ELSE interval '0' END
      WHERE jti = ANY($1)`,
      [events.map(({ jti }) => jti), refused, failed, wait / 1000],
    );
  }
  return { taken, refused, failed, problem, wait };
}

/**
 * Deliver the events of these people to the API. Returns when they are delivered, when the API is
 * not reachable, or after two seconds; the sweeper delivers the rest. Never throws.
 */
export async function deliverNow(pool: Connections, push: Push, users: Set<string>): Promise<void> {
  const timeout = new AbortController();
  const { signal } = timeout;
  const timer = setTimeout(() => timeout.abort(), DELIVERY_TIMEOUT_MS);
  const timedOut = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve()),
  );

  async function work(): Promise<void> {
    const userIds = [...users];
    await deliver(pool, push, await claimNew(pool, userIds), signal);
    while (!signal.aborted && (await isClaimed(pool, userIds))) await sleep(20);
  }
  const done = work().catch((error: unknown) => {
    console.warn(`security events: the next sweep delivers the rest (${reasonOf(error)})`);
  });
  await Promise.race([done, timedOut]);
  clearTimeout(timer);
}

/** Whether another process is pushing an event of these people for the first time. */
async function isClaimed(pool: Connections, users: string[]): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM public.security_event_outbox
    WHERE user_id = ANY($1) AND attempts = 1 AND claimed_until > now() LIMIT 1`,
    [users],
  );
  return rowCount !== 0;
}

/**
 * Deliver remaining events every second, as long as the process lives: those that the API could not
 * accept, those of processes that died, and those of deletions outside this server. Session events
 * are deleted once every token of the session has expired, `lifetime` seconds later. Account events
 * stay until they are delivered, because the account's data has to be deleted.
 */
export function sweepOutbox(pool: Connections, push: Push, lifetime: number): void {
  const pushing = new DeliveryProblem(pool, lifetime);
  const reading = new LastingProblem(
    "security events: the outbox cannot be read",
    "security events: the outbox can be read again",
  );
  let isReachable = true;
  let forgetAt = 0;

  /** Deliver some events. Returns the milliseconds until the next sweep. */
  async function sweep(): Promise<number> {
    if (Date.now() >= forgetAt) {
      await pool.query(
        `DELETE FROM public.security_event_outbox WHERE session_id IS NOT NULL
        AND ended_at < now() - make_interval(secs => $1)`,
        [lifetime],
      );
      forgetAt = Date.now() + FORGET_MS;
    }
    // While the API is not reachable, one event at a time tests whether it is again.
    const events = await claimDue(pool, isReachable ? BATCH : 1);
    const delivery = await deliver(pool, push, events, AbortSignal.timeout(SWEEP_TIMEOUT_MS));
    await pushing.note(events, delivery);
    if (events.length === 0) return SWEEP_MS;
    isReachable = delivery.taken.length + delivery.refused.length > 0;
    return isReachable ? delivery.wait : Math.max(delivery.wait, SWEEP_MS);
  }

  async function again(): Promise<void> {
    let wait = SWEEP_MS;
    try {
      wait = await sweep();
      reading.ends();
    } catch (error) {
      reading.lasts(reasonOf(error));
    }
    // The timer does not keep the process alive.
    setTimeout(again, wait).unref();
  }
  void again();
}
