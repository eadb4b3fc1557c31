import { requestOf } from "@/lib/graphql";
import { closeCodeOf, openSocket, TOKEN_REJECTED } from "@/lib/socket";
import type { Subscription } from "./feeds";

export type ChangeEvent = { cursor: string; id: string; row: unknown };

type Listener = {
  /** Called when the API has accepted the token. */
  onOpen: () => void;
  /** Called for each event in the order of the noun's feed, without gaps. */
  onEvent: (noun: string, event: ChangeEvent) => void;
};

type Closed = {
  isTokenRejected: boolean;
  /** Whether a subscription failed, so that the next changes must be read by a query. */
  hasFailed: boolean;
};

/** Subscribe to the change feeds over a new socket. A subscription that fails closes the socket. */
export function follow(
  { apiUrl, token }: { apiUrl: string; token: string },
  subscriptions: readonly Subscription[],
  { onOpen, onEvent }: Listener,
): { stop: () => void; closed: Promise<Closed> } {
  const socket = openSocket(apiUrl, token);
  let isClosed = false;
  let hasFailed = false;
  const stop = () => socket.terminate();
  const closed = new Promise<Closed>((resolve) => {
    socket.on("connected", onOpen);
    socket.on("closed", (event) => {
      isClosed = true;
      resolve({ isTokenRejected: closeCodeOf(event) === TOKEN_REJECTED, hasFailed });
    });
  });

  // An event with errors has incomplete data. The cursor must not move past this event.
  function fail() {
    hasFailed = true;
    stop();
  }

  for (const { noun, document, after } of subscriptions) {
    socket.subscribe<{ change: ChangeEvent }>(requestOf(document, { after }), {
      next: ({ data, errors }) => {
        if (isClosed) return;
        if (data && !errors) onEvent(noun, data.change);
        else fail();
      },
      error: (error) => {
        // The errors of a subscription are a list. Anything else means that the socket is closed.
        if (Array.isArray(error)) fail();
      },
      complete: () => {
        if (!isClosed) fail();
      },
    });
  }
  return { stop, closed };
}
