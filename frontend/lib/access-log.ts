import { subscribe } from "node:diagnostics_channel";
import type { LogFormat } from "./config";
import { jsonLogger } from "./log-lines";
import { REQUEST_ID_HEADER, type Started } from "./request-id";

const PREFIX = "/api/auth";
const HEALTH = "/api/health";

/**
 * Return the route of a URL, or undefined for pages and files. `routes` are those of Better Auth,
 * with parameters such as `:token`. Other paths are `other`, because they may contain anything.
 */
export function routeOf(url: string, routes: ReadonlySet<string>): string | undefined {
  const [path = ""] = url.split("?");
  if (path === HEALTH) return path;
  if (!path.startsWith("/api/")) return undefined;
  const own = path.slice(PREFIX.length);
  if (path.startsWith(PREFIX) && routes.has(own)) return path;
  const parent = own.slice(0, own.lastIndexOf("/") + 1);
  const found = [...routes].find((route) => parent !== "/" && route.startsWith(`${parent}:`));
  return path.startsWith(PREFIX) && found ? PREFIX + found : "other";
}

/** Write a line for each request below `/api` of the web app, when its response has ended. */
export function logRequests(form: LogFormat, routes: ReadonlySet<string>): void {
  const logger = jsonLogger("web.access");
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as Started;
    const route = routeOf(request.url ?? "", routes);
    if (route === undefined) return;
    const began = performance.now();
    response.once("close", () => {
      const line = {
        request_id: request.headers[REQUEST_ID_HEADER],
        method: request.method,
        route,
        status: response.headersSent ? response.statusCode : null,
        duration_ms: Math.round((performance.now() - began) * 100) / 100,
      };
      if (form === "json") logger.info(line, "request");
      else process.stdout.write(textLine(line));
    });
  });
}

function textLine(line: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(line).map(([name, value]) => `${name}=${value}`);
  return `INFO:  web.access: request ${members.join(" ")}\n`;
}
