// Bundle the service worker, with the list of the files that the page /offline can load.
import { existsSync, readFileSync } from "node:fs";
import { build } from "rolldown";

const STATIC = ".next/static/";
const PAGE = ".next/server/app/offline/page_client-reference-manifest.js";

/**
 * Add the files of the build whose names a text contains, and the files that these load later.
 *
 * The browser caches fonts itself. Chromium does not use a preloaded font whose request a service
 * worker answered, and warns that the preload was unused.
 */
function addNamed(text) {
  for (const [name] of text.matchAll(/(?:chunks|media)\/[\w.~-]+\.(?:js|css)/g)) {
    if (precached.has(name) || !existsSync(STATIC + name)) continue;
    precached.add(name);
    addNamed(readFileSync(STATIC + name, "utf8"));
  }
}

const precached = new Set();
const { rootMainFiles, polyfillFiles } = JSON.parse(
  readFileSync(".next/build-manifest.json", "utf8"),
);
addNamed([...rootMainFiles, ...polyfillFiles].join(" "));
addNamed(readFileSync(PAGE, "utf8"));

const revision = readFileSync(".next/BUILD_ID", "utf8");
const entries = [
  { url: "/offline", revision },
  { url: "/icon.svg", revision },
  { url: "/manifest.webmanifest", revision },
  // The name of a file contains a hash of its content, so it needs no revision.
  ...[...precached].sort().map((name) => ({ url: `/_next/static/${name}`, revision: null })),
];

await build({
  input: "components/offline/service-worker.ts",
  output: { file: ".next/standalone/public/service-worker.js", format: "iife", minify: true },
  transform: {
    define: {
      PRECACHED: JSON.stringify(entries),
      "process.env.NODE_ENV": JSON.stringify("production"),
    },
  },
  logLevel: "warn",
});
