import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import type { ClientBase } from "pg";
import type { Connections } from "./connections";
import { reasonOf } from "./reason";
import type { Push, SecurityEvent } from "./security-events";

/** How long a request waits for the API to hear of what it ended, in milliseconds. */
const DELIVERY_TIMEOUT_MS = 2000;
const CONCURRENT_PUSHES = 16;
const BATCH = 64;
const SWEEP_MS = 1000;
/** The API asks for seconds. What asks for more is something else, and a sign-out shall arrive. */
const MAX_WAIT_MS = 30_000;
/** Less than a claim holds, so that no other process pushes the same meanwhile. */
const SWEEP_TIMEOUT_MS = 8000;
const FORGET_MS = 60_000;

/** Each runs on its own: together they would hold the locks of both tables. */
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
  // No token outlives its session by more than the 31 days that ACCESS_TOKEN_MAX_AGE may be.
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
 * Makes the outbox, and the triggers that fill it in the transaction that ends a session or an account,
 * whoever ends it. Changes nothing when they are there.
 */
export async function prepareOutbox(client: ClientBase): Promise<void> {
  for (const statement of SCHEMA) await client.query(statement);
}

const affectedUsers = new AsyncLocalStorage<Set<string>>();

/**
 * Notes whose sessions the current request may have ended: whoever asked for a change with a session of
 * theirs, and whoever Better Auth says, for those who have none. Which ones, the outbox alone knows.
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

/** Whose sessions or account this request may have ended, where Better Auth cannot know. */
export function noteRevocation(userId: string | undefined): void {
  if (userId) affectedUsers.getStore()?.add(userId);
}

/** Runs `work` and says whose sessions or accounts it may have ended. */
export async function trackRevocations<T>(
  work: () => Promise<T>,
): Promise<[T, whose: Set<string>]> {
  const userIds = new Set<string>();
  const result = await affectedUsers.run(userIds, work);
  return [result, userIds];
}

// A claim runs out by itself: what a process that died had claimed is pushed by another.
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

/** Pushes what was claimed, and writes down what came of it. */
async function deliver(
  pool: Connections,
  push: Push,
  events: SecurityEvent[],
  signal: AbortSignal,
): Promise<{ answered: number; problem: string | undefined; wait: number }> {
  const remaining = [...events];
  const taken: string[] = [];
  const refused: string[] = [];
  const failed: string[] = [];
  let problem: string | undefined;
  let wait = 0;

  async function pushSome(): Promise<void> {
    // Once as many failed as are pushed at once, the others would too.
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
  return { answered: taken.length + refused.length, problem, wait };
}

/**
 * Tells the API of what these people's request just ended, and comes back when it has heard, when it
 * cannot be reached, or after two seconds: the sweeper goes on from there. Never throws.
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
    console.warn(`security events: left to the next sweep (${reasonOf(error)})`);
  });
  await Promise.race([done, timedOut]);
  clearTimeout(timer);
}

/** Whether somebody else is pushing an event of theirs just now, for the first time. */
async function isClaimed(pool: Connections, users: string[]): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM public.security_event_outbox
    WHERE user_id = ANY($1) AND attempts = 1 AND claimed_until > now() LIMIT 1`,
    [users],
  );
  return rowCount !== 0;
}

/**
 * Pushes what is left in the outbox every second, for as long as the process lives: what the API could
 * not take, what a killed process left behind, and what was ended past this server. Sessions are
 * forgotten once every token of theirs has expired, `lifetime` seconds after they ended; accounts never,
 * since their data waits to be deleted.
 */
export function sweepOutbox(pool: Connections, push: Push, lifetime: number): void {
  let isReachable = true;
  let lastError = "";
  let forgetAt = 0;

  /** Returns the milliseconds until the next one. */
  async function sweep(): Promise<number> {
    if (Date.now() >= forgetAt) {
      await pool.query(
        `DELETE FROM public.security_event_outbox WHERE session_id IS NOT NULL
        AND ended_at < now() - make_interval(secs => $1)`,
        [lifetime],
      );
      forgetAt = Date.now() + FORGET_MS;
    }
    // While it takes none, one at a time finds out whether it does again.
    const events = await claimDue(pool, isReachable ? BATCH : 1);
    if (events.length === 0) return SWEEP_MS;
    const { answered, problem, wait } = await deliver(
      pool,
      push,
      events,
      AbortSignal.timeout(SWEEP_TIMEOUT_MS),
    );
    if (isReachable !== answered > 0) {
      isReachable = answered > 0;
      if (isReachable) console.info("security events: the API takes them again");
      else console.warn(`security events: the API takes none, they are kept (${problem})`);
    }
    return isReachable ? wait : Math.max(wait, SWEEP_MS);
  }

  async function again(): Promise<void> {
    let wait = SWEEP_MS;
    try {
      wait = await sweep();
      lastError = "";
    } catch (error) {
      if (!lastError)
        console.warn(`security events: the outbox cannot be read (${reasonOf(error)})`);
      lastError = reasonOf(error);
    }
    // Never what keeps the process alive.
    setTimeout(again, wait).unref();
  }
  void again();
}
