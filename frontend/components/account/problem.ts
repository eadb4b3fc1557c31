import { APP_ERROR, NO_ANSWER } from "@/lib/messages";
import { UnreachableError } from "@/lib/reach";
import { goToSignIn } from "./signed-out";

/** Why something about an account did not work, in words, and the field to mend if there is one. */
export type Problem = { message: string; field?: "email" | "password" | "current" };

/** What came of asking: done, a problem, or the page is on its way to another. */
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

/** @param error what Better Auth's client reports: its code, and the HTTP status. */
export function authProblem({ code, status }: Failure): Problem {
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known) return known;
  if (status === 429) return { message: "Too many attempts. Wait a little and try again." };
  if (status === 503) {
    return { message: "This is not possible right now. Try again in a moment." };
  }
  return { message: "Something went wrong on the server. Try again." };
}

type AuthRequest = () => Promise<{ error: Failure | null }>;

/** Asks Better Auth for something; null when it did it. */
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

/** The same for what needs a session: when it is over, the page leaves for sign-in. */
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
