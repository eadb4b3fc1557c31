import type { FormattedExecutionResult } from "graphql";
import type { SubscribePayload } from "graphql-ws";
import { beforeLeaving } from "@/components/account/signed-out";
import type { AccessToken } from "@/lib/access-token";
import { closeCodeOf, openSocket, TOKEN_REJECTED } from "@/lib/socket";

type Observer = {
  next: (result: FormattedExecutionResult) => void;
  error: (error: unknown) => void;
  complete: () => void;
};

/** The events of a subscription, as GraphiQL reads them. */
type Events = { subscribe: (observer: Observer) => { unsubscribe: () => void } };

/**
 * Return the events of a subscription. Each subscription has its own socket, which is closed when
 * the subscription is stopped or the page is left.
 *
 * @throws the errors of `AccessToken.get`.
 */
export async function subscribe(
  apiUrl: string,
  accessToken: AccessToken,
  request: SubscribePayload,
): Promise<Events> {
  const token = await accessToken.get();

  function start({ next, error, complete }: Observer) {
    const socket = openSocket(apiUrl, token);
    const forget = beforeLeaving(socket.terminate);
    socket.on("closed", forget);
    const onError = (cause: unknown) => {
      const code = closeCodeOf(cause);
      if (code === TOKEN_REJECTED) accessToken.invalidate(token);
      error(Array.isArray(cause) ? cause : new Error(messageOf(code)));
    };
    const stop = socket.subscribe(request, { next, error: onError, complete });
    return {
      unsubscribe() {
        stop();
        socket.terminate();
      },
    };
  }

  return { subscribe: start };
}

function messageOf(code: number | undefined): string {
  if (code === undefined) return "The API could not be reached.";
  if (code === TOKEN_REJECTED)
    return "The API rejected the access token. Run the subscription again.";
  return `The API closed the connection with the code ${code}. Run the subscription again.`;
}
