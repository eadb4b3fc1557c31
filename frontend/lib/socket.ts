import { type Client, createClient } from "graphql-ws";
import { socketOrigin } from "./socket-origin";

/** The close code for a token that is missing, malformed, expired or revoked. */
export const TOKEN_REJECTED = 4403;

const ACK_TIMEOUT_MS = 10_000;
const PING_MS = 20_000;
const PONG_TIMEOUT_MS = 5_000;

/**
 * Return the code of a close event. Return undefined for any other event, which means that the
 * connection has failed.
 */
export function closeCodeOf(event: unknown): number | undefined {
  const isClose = event instanceof Object && "code" in event && typeof event.code === "number";
  return isClose ? Number(event.code) : undefined;
}

/**
 * Return a client for one connection of the protocol graphql-transport-ws. It connects with the
 * first subscription, and does not connect again. If the server does not answer a ping, the
 * connection is closed. After the device has slept, nothing else shows that the connection was
 * lost.
 */
export function openSocket(apiUrl: string, token: string): Client {
  let count = 0;
  let pongTimer: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: `${socketOrigin(apiUrl)}/graphql`,
    connectionParams: { Authorization: `Bearer ${token}` },
    connectionAckWaitTimeout: ACK_TIMEOUT_MS,
    keepAlive: PING_MS,
    retryAttempts: 0,
    generateID: () => {
      count += 1;
      return String(count);
    },
    on: {
      ping: (isFromServer) => {
        if (!isFromServer) pongTimer = setTimeout(() => client.terminate(), PONG_TIMEOUT_MS);
      },
      pong: (isFromServer) => {
        if (isFromServer) clearTimeout(pongTimer);
      },
      closed: () => clearTimeout(pongTimer),
    },
  });
  return client;
}
