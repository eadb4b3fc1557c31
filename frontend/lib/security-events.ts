import { SignJWT } from "jose";
import { retryAfterOf } from "./backoff";
import { callApi } from "./call-api";
import type { Config } from "./config";
import { deriveKey } from "./keys";
import { reasonOf } from "./reason";

const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const ACCOUNT_PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged";

const PUSH_TIMEOUT_MS = 3000;

/** A session or an account that ended, to be reported to the API. */
export type SecurityEvent = {
  /** The id of the event. It is the same for each push, so that a repeated push has no effect. */
  readonly jti: string;
  /** Shared by all events of one database transaction. */
  readonly txn: string;
  readonly userId: string;
  /** The session that ended; null if the account was deleted. */
  readonly sessionId: string | null;
  readonly endedAt: Date;
};

/**
 * Whether the API accepted the event, rejected it, or could not be reached (RFC 8935 §2.2 to 2.4).
 */
type PushOutcome =
  | "taken"
  | "refused"
  /** Why it could not be delivered, and the milliseconds that the API asks to wait. */
  | { readonly later: string; readonly retryAfter: number };

export type Push = (event: SecurityEvent, signal: AbortSignal) => Promise<PushOutcome>;

/**
 * Return the claims of a Security Event Token (RFC 8417 §2.2): CAEP's session-revoked or RISC's
 * account-purged.
 */
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

/** Return a function that pushes events to the API, signed with a key for this purpose only. */
export function pushTo({ secret, issuer, apiUrl, eventsUrl }: Config): Push {
  const key = deriveKey(secret, "bearer-tasks/security-event/v1");

  /** Issued for each push: the API rejects events that are older than a token. */
  const tokenOf = (event: SecurityEvent) =>
    new SignJWT(claimsOf(event, issuer))
      .setProtectedHeader({ alg: "HS256", typ: "secevent+jwt" })
      .setIssuer(issuer)
      .setAudience(`${apiUrl}/events`)
      .setIssuedAt()
      .sign(key);

  return async (event, signal) => {
    try {
      const body = await tokenOf(event);
      const answer = await callApi("push security event", async (headers) =>
        fetch(eventsUrl, {
          method: "POST",
          headers: {
            "Content-Type": "application/secevent+jwt",
            Accept: "application/json",
            ...headers,
          },
          body,
          redirect: "manual",
          cache: "no-store",
          signal: AbortSignal.any([signal, AbortSignal.timeout(PUSH_TIMEOUT_MS)]),
        }),
      );
      const text = await answer.text();
      if (answer.status === 202) return "taken";
      // As JSON, the response of the API stays on one line of the log.
      const problem = `HTTP ${answer.status} ${JSON.stringify(text.slice(0, 300))}`;
      // A 400 with another error is about keys or names that the two servers do not share yet.
      if (answer.status !== 400 || !text.includes('"invalid_request"'))
        return { later: problem, retryAfter: retryAfterOf(answer) ?? 0 };
      console.error(`security events: the API refuses ${event.jti}: ${problem}`);
      return "refused";
    } catch (error) {
      return { later: reasonOf(error), retryAfter: 0 };
    }
  };
}
