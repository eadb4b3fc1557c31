import { getPool } from "@/lib/auth";

const headers = { "Cache-Control": "no-store" };

/** Return 200 while this process runs and its database answers, else 503. */
export async function GET(): Promise<Response> {
  try {
    await getPool().query("SELECT 1");
    return Response.json({ status: "ok" }, { headers });
  } catch {
    return Response.json({ status: "unavailable" }, { status: 503, headers });
  }
}
