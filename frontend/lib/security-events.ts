import { SignJWT } from "jose";
import { retryAfterOf } from "./backoff";
import type { Config } from "./config";
import { deriveKey } from "./keys";
import { reasonOf } from "./reason";

const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const ACCOUNT_PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged";

const PUSH_TIMEOUT_MS = 3000;

/** Something that ended here, and that the API must hear of. */
export type SecurityEvent = {
  /** The event's own id, the same however often it is pushed: taken once, it has no effect again. */
  readonly jti: string;
  /** Shared by all that ended in one transaction of the database. */
  readonly txn: string;
  readonly userId: string;
  /** The session that ended; null when the whole account did. */
  readonly sessionId: string | null;
  readonly endedAt: Date;
};

/** Whether an event arrived, is not taken as it is, or could not be heard (RFC 8935 §2.2 to 2.4). */
export type PushOutcome =
  | "taken"
  | "refused"
  /** Why it could not be heard, and the milliseconds that the API asks to wait. */
  | { readonly later: string; readonly retryAfter: number };

export type Push = (event: SecurityEvent, signal: AbortSignal) => Promise<PushOutcome>;

/** The claims of a Security Event Token (RFC 8417 §2.2): CAEP's session-revoked or RISC's account-purged. */
function claimsOf({ jti, txn, userId, sessionId, endedAt }: SecurityEvent, iss: string) {
  const user = { format: "iss_sub", iss, sub: userId };
  if (sessionId === null) {
    return { jti, txn, sub_id: user, events: { [ACCOUNT_PURGED]: {} } };
  }
  const session = { format: "opaque", id: sessionId };
  const event_timestamp = Math.floor(endedAt.getTime() / 1000);
  return {
    jti,
    txn,
    sub_id: { format: "complex", user, session },
    events: { [SESSION_REVOKED]: { event_timestamp } },
  };
}

/** Pushes events to the API, signed under a key that is for nothing else. */
export function pushTo({ secret, issuer, apiUrl, eventsUrl }: Config): Push {
  const key = deriveKey(secret, "bearer-tasks/security-event/v1");

  /** Issued when it is pushed: the API takes none that is older than a token. */
  const tokenOf = (event: SecurityEvent) =>
    new SignJWT(claimsOf(event, issuer))
      .setProtectedHeader({ alg: "HS256", typ: "secevent+jwt" })
      .setIssuer(issuer)
      .setAudience(`${apiUrl}/events`)
      .setIssuedAt()
      .sign(key);

  return async (event, signal) => {
    try {
      const answer = await fetch(eventsUrl, {
        method: "POST",
        headers: { "Content-Type": "application/secevent+jwt", Accept: "application/json" },
        body: await tokenOf(event),
        redirect: "manual",
        cache: "no-store",
        signal: AbortSignal.any([signal, AbortSignal.timeout(PUSH_TIMEOUT_MS)]),
      });
      const body = await answer.text();
      if (answer.status === 202) return "taken";
      // JSON keeps what the API wrote on one line of the log.
      const problem = `HTTP ${answer.status} ${JSON.stringify(body.slice(0, 300))}`;
      // Any other error of a 400 is about keys and names that the two sides do not share yet.
      if (answer.status !== 400 || !body.includes('"invalid_request"'))
        return { later: problem, retryAfter: retryAfterOf(answer) ?? 0 };
      console.error(`security events: the API refuses ${event.jti}: ${problem}`);
      return "refused";
    } catch (error) {
      return { later: reasonOf(error), retryAfter: 0 };
    }
  };
}
