import { getAuth, getPool } from "@/lib/auth";
import { config } from "@/lib/config";
import { watchDatabase } from "@/lib/database";
import { deliverNow, trackRevocations } from "@/lib/outbox";
import { pushTo } from "@/lib/security-events";

const UNAVAILABLE = {
  code: "UNAVAILABLE",
  message: "The database does not answer. Try again soon.",
};

const FAILURES = {
  unavailable: () => Response.json(UNAVAILABLE, { status: 503, headers: { "Retry-After": "2" } }),
  unstorable: () => Response.json({ code: "UNSTORABLE_TEXT" }, { status: 400 }),
};

/**
 * The longest URL, in characters. Better Auth counts requests by address and path, and stores both
 * for a minute.
 */
const LONGEST_URL = 2048;

/**
 * Return Better Auth's response. If the database failed, return 503, which says nothing about a
 * session; if the request contained a text that the database cannot store, return 400. Revocations
 * are delivered to the API before that, if it is reachable.
 */
async function handle(request: Request): Promise<Response> {
  if (request.url.length > LONGEST_URL) return new Response(null, { status: 414 });
  const [answer, whose] = await trackRevocations(() =>
    watchDatabase(() => getAuth().handler(request)),
  );
  if (whose.size > 0) await deliverNow(getPool(), pushTo(config()), whose);
  const response =
    "failure" in answer
      ? FAILURES[answer.failure]()
      : new Response(answer.result.body, answer.result);
  response.headers.set("Cache-Control", "no-store");
  const retryAfter = response.headers.get("X-Retry-After");
  if (retryAfter) response.headers.set("Retry-After", retryAfter);
  return response;
}

export { handle as GET, handle as POST };
