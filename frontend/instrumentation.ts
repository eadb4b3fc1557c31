/** Run once when the server starts, before the first request. */
export async function register(): Promise<void> {
  // Next replaces this expression during the build. It does not recognize an imported `process`.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { start } = await import("./lib/start");
    await start();
  }
}
