import {
  Client,
  type CombinedError,
  fetchExchange,
  makeOperation,
  mapExchange,
  type Operation,
  stringifyDocument,
  type TypedDocumentNode,
} from "urql";
import { type AccessToken, SessionOverError, TokenUnavailableError } from "./access-token";
import { authorizedFetch } from "./authorized-fetch";
import { retryAfterOf } from "./backoff";
import { APP_ERROR, NO_ANSWER } from "./messages";
import type { SignedOutReason } from "./next-path";
import { UnreachableError } from "./reach";

/**
 * The API's error codes, and three of our own: `UNREACHABLE` when there was no complete response,
 * `FAULT` when this app failed or the browser lacks something, and `UNEXPECTED` for any other
 * error.
 */
type FailureCode =
  | "UNAUTHENTICATED"
  | "NOT_FOUND"
  | "BAD_USER_INPUT"
  | "CONFLICT"
  | "UNAVAILABLE"
  | "RATE_LIMITED"
  | "UNREACHABLE"
  | "FAULT"
  | "UNEXPECTED";

const CODES: ReadonlySet<string> = new Set<FailureCode>([
  "UNAUTHENTICATED",
  "NOT_FOUND",
  "BAD_USER_INPUT",
  "CONFLICT",
  "UNAVAILABLE",
  "RATE_LIMITED",
]);

const isCode = (code: unknown): code is FailureCode => typeof code === "string" && CODES.has(code);

function isUnauthenticated(error: CombinedError): boolean {
  return error.response?.status === 401 || failureCode(error) === "UNAUTHENTICATED";
}

export function failureCode(error: CombinedError): FailureCode {
  const { networkError, response } = error;
  if (networkError instanceof SessionOverError) return "UNAUTHENTICATED";
  if (networkError instanceof TokenUnavailableError) return codeOfStatus(networkError.status);
  if (networkError instanceof UnreachableError) return "UNREACHABLE";
  const code = error.graphQLErrors[0]?.extensions.code;
  if (isCode(code)) return code;
  if (!networkError) return "UNEXPECTED";
  // An error page of a proxy, or a response that was cut off. Without a response nothing was sent.
  return isResponse(response) ? codeOfStatus(response.status) : "FAULT";
}

const isResponse = (response: unknown): response is Response => response instanceof Object;

/**
 * Return the code for a status without an error code. An undefined or a 200 is no complete
 * response.
 */
function codeOfStatus(status: number | undefined): FailureCode {
  if (status === undefined || status < 300) return "UNREACHABLE";
  if (status === 429) return "RATE_LIMITED";
  return status === 408 || status >= 500 ? "UNAVAILABLE" : "UNEXPECTED";
}

/** Whether the server may accept the same request later. */
export function isOutage(error: CombinedError): boolean {
  return ["UNREACHABLE", "UNAVAILABLE", "RATE_LIMITED", "FAULT"].includes(failureCode(error));
}

/** Return the milliseconds that the server asks to wait, or null. */
export function retryAfterIn({ networkError, response }: CombinedError): number | null {
  if (networkError instanceof TokenUnavailableError) return networkError.retryAfter;
  return isResponse(response) ? retryAfterOf(response) : null;
}

/**
 * Return a sentence for the person that says what to do next.
 *
 * @param noun what the request was about.
 */
export function apiErrorMessage(error: CombinedError, noun = "task"): string {
  switch (failureCode(error)) {
    case "UNREACHABLE":
      return NO_ANSWER;
    case "UNAVAILABLE":
      return "The server is not ready right now. Try again in a moment.";
    case "RATE_LIMITED":
      return "Too many requests. Wait a moment and try again.";
    case "FAULT":
      return APP_ERROR;
    case "NOT_FOUND":
      return `This ${noun} no longer exists.`;
    case "CONFLICT":
      return `This ${noun} was changed elsewhere. Try again.`;
    case "BAD_USER_INPUT":
      return error.graphQLErrors[0]?.message ?? "The server did not accept this.";
    case "UNAUTHENTICATED":
      return "You are signed out. Sign in again.";
    case "UNEXPECTED":
      return "Something went wrong on the server. Try again.";
  }
}

/** Return the hash that codegen has given a document; null if it has none. */
export function documentHash(document: object): string | null {
  const meta = "__meta__" in document ? document.__meta__ : undefined;
  const hash = meta instanceof Object && "hash" in meta ? meta.hash : undefined;
  return typeof hash === "string" ? hash : null;
}

/** Return the request for a document that is sent over a socket, with its hash as over HTTP. */
export function requestOf(document: TypedDocumentNode<unknown, never>, variables: object) {
  const hash = documentHash(document);
  const extensions = { persistedQuery: { version: 1, sha256Hash: hash } };
  return {
    query: stringifyDocument(document),
    variables: { ...variables },
    ...(hash !== null && { extensions }),
  };
}

/**
 * Return the operation with its hash from codegen, by which an API that accepts only trusted
 * documents identifies it. The text is sent as well (urql calls that a miss), so that other APIs
 * need no second request.
 */
export function withDocumentHash(operation: Operation): Operation {
  const hash = documentHash(operation.query);
  if (hash === null) return operation;
  const persistedQuery = { version: 1, sha256Hash: hash, miss: true } as const;
  const extensions = { ...operation.extensions, persistedQuery };
  return makeOperation(operation.kind, { ...operation, extensions });
}

/**
 * Create a client for one person. It has no cache: the task store keeps the tasks.
 *
 * @param onSignedOut called when the session has ended or the API rejects a fresh token.
 */
export function createClient(
  apiUrl: string,
  accessToken: AccessToken,
  onSignedOut: (reason: SignedOutReason) => void,
): Client {
  return new Client({
    url: `${apiUrl}/graphql`,
    preferGetMethod: false,
    fetch: authorizedFetch(accessToken),
    exchanges: [
      mapExchange({
        onOperation: withDocumentHash,
        onError: (error) => {
          if (failureCode(error) === "FAULT") console.error(error.networkError ?? error);
          if (error.networkError instanceof SessionOverError) onSignedOut("session-over");
          else if (isUnauthenticated(error)) onSignedOut("refused");
        },
      }),
      fetchExchange,
    ],
  });
}
