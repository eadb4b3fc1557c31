/** Runs once when the server starts, before the first request. */
export async function register(): Promise<void> {
  // Written out, for Next to replace while it builds. With `process` imported nothing would start here.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { start } = await import("./lib/start");
    await start();
  }
}
