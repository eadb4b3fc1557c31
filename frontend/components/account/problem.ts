import { APP_ERROR, NO_ANSWER } from "@/lib/messages";
import { UnreachableError } from "@/lib/reach";
import { goToSignIn } from "./signed-out";

/**
 * Why a request about the account failed, as a sentence, and the field to correct, if there is one.
 */
export type Problem = { message: string; field?: "email" | "password" | "current" };

/** The result of a request: null for success, a problem, or "leaving" while another page loads. */
export type Outcome = Problem | "leaving" | null;

const BY_CODE: Readonly<Record<string, Problem>> = {
  INVALID_EMAIL_OR_PASSWORD: {
    message: "Incorrect email or password.",
    field: "password",
  },
  INVALID_EMAIL: { message: "This is not an email address.", field: "email" },
  USER_ALREADY_EXISTS: {
    message: "There is an account with this email. Sign in instead.",
    field: "email",
  },
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: {
    message: "There is an account with this email. Sign in instead.",
    field: "email",
  },
  INVALID_PASSWORD: { message: "This is not your password.", field: "current" },
  INVALID_TOKEN: { message: "This link was already used or has expired. Request a new one." },
  PASSWORD_TOO_SHORT: { message: "Use at least 8 characters.", field: "password" },
  PASSWORD_TOO_COMMON: {
    message: "This password is easy to guess: many people use it. Choose another one.",
    field: "password",
  },
  PASSWORD_TOO_LONG: { message: "Use at most 128 characters.", field: "password" },
  INVALID_ORIGIN: {
    message:
      "This page was opened at an address that the app does not accept. Open the app at its own address.",
  },
};

type Failure = { code?: string | undefined; status: number };

/** Return the problem for an error of Better Auth's client. */
function authProblem({ code, status }: Failure): Problem {
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known) return known;
  if (status === 429) return { message: "Too many attempts. Wait a little and try again." };
  if (status === 503) {
    return { message: "This is not possible right now. Try again in a moment." };
  }
  return { message: "Something went wrong on the server. Try again." };
}

type AuthRequest = () => Promise<{ error: Failure | null }>;

/** Send a request to Better Auth. Returns null if it succeeded. */
export async function requestProblem(send: AuthRequest): Promise<Problem | null> {
  try {
    const { error } = await send();
    return error && authProblem(error);
  } catch (error) {
    if (error instanceof UnreachableError) return { message: NO_ANSWER };
    console.error(error);
    return { message: APP_ERROR };
  }
}

/** Send a request that needs a session. If the session has ended, go to sign-in. */
export async function requestOutcome(send: AuthRequest): Promise<Outcome> {
  let isOver = false;
  const problem = await requestProblem(async () => {
    const answer = await send();
    isOver = answer.error?.status === 401;
    return answer;
  });
  if (!isOver) return problem;
  goToSignIn("session-over");
  return "leaving";
}
