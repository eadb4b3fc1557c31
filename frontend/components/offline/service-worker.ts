import { NetworkOnly, type PrecacheEntry, Serwist } from "serwist";

/**
 * The files of the page that is shown without a network. `scripts/service-worker.mjs` lists them.
 */
declare const PRECACHED: PrecacheEntry[];

const SHELL = "/offline";

/**
 * Answers from its cache in two cases: for the files of one build, which are the same for
 * everybody, and with the page `/offline` when a page cannot be loaded. All other requests go to
 * the network. It never stores a response that depends on a session.
 */
new Serwist({
  precacheEntries: PRECACHED,
  precacheOptions: {
    plugins: [
      {
        // Without cookies, so that the server cannot render anything for a person.
        requestWillFetch: async ({ request }) => new Request(request, { credentials: "omit" }),
      },
    ],
  },
  // Activate a new build at once, and delete the files of the old one.
  skipWaiting: true,
  navigationPreload: true,
  disableDevLogs: true,
  runtimeCaching: [
    { matcher: ({ request }) => request.mode === "navigate", handler: new NetworkOnly() },
  ],
  fallbacks: {
    entries: [{ url: SHELL, matcher: ({ request }) => request.mode === "navigate" }],
  },
}).addEventListeners();
