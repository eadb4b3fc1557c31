import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";

export const REQUEST_ID_HEADER = "x-request-id";
/** The API accepts the same ids. */
const SAFE = /^[\w.:=+/-]{1,64}$/;

/** What Node publishes when a request begins. */
export type Started = { request: IncomingMessage; response: ServerResponse };

const shared = globalThis as { bearerTasksRequestId?: AsyncLocalStorage<string> };
// Next bundles this file several times. All copies must see the id of the request.
shared.bearerTasksRequestId ??= new AsyncLocalStorage<string>();
const current = shared.bearerTasksRequestId;

/** Return the id of the current request, or undefined in background work. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}

/** Return the id to send to the API: that of the current request, or a new one. */
export function requestId(): string {
  return current.getStore() ?? newId();
}

function newId(): string {
  return randomBytes(8).toString("hex");
}

/**
 * Give each request an id before Next sees it: its own `X-Request-Id` if that is safe, otherwise a
 * new one. The response has it too.
 */
export function giveRequestIds(): void {
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as Started;
    const sent = request.headers[REQUEST_ID_HEADER];
    const id = typeof sent === "string" && SAFE.test(sent) ? sent : newId();
    request.headers[REQUEST_ID_HEADER] = id;
    response.setHeader(REQUEST_ID_HEADER, id);
    // Node handles each request in an async context of its own.
    current.enterWith(id);
  });
}
