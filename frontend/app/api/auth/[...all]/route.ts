import { getAuth } from "@/lib/auth";
import { watchDatabase } from "@/lib/database";

const UNAVAILABLE = {
  code: "UNAVAILABLE",
  message: "The database does not answer. Try again soon.",
};

/** Better Auth's answer, or 503 when the database failed it, which says nothing about a session. */
async function handle(request: Request): Promise<Response> {
  const [answer, failed] = await watchDatabase(() => getAuth().handler(request));
  const response = failed
    ? Response.json(UNAVAILABLE, { status: 503, headers: { "Retry-After": "2" } })
    : new Response(answer.body, answer);
  response.headers.set("Cache-Control", "no-store");
  const retryAfter = response.headers.get("X-Retry-After");
  if (retryAfter) response.headers.set("Retry-After", retryAfter);
  return response;
}

export { handle as GET, handle as POST };
