/** Why signing in or up did not work, in words, and the field to mend if there is one. */
export type Problem = { message: string; field?: "email" | "password" };

export const UNREACHABLE: Problem = {
  message: "No answer from the server. Check your connection and try again.",
};

const BY_CODE: Readonly<Record<string, Problem>> = {
  INVALID_EMAIL_OR_PASSWORD: {
    message: "This email and password do not match.",
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
  PASSWORD_TOO_SHORT: { message: "Use at least 8 characters.", field: "password" },
  PASSWORD_TOO_LONG: { message: "Use at most 128 characters.", field: "password" },
  INVALID_ORIGIN: {
    message: "This page was opened under another address than the app’s own. Open the app again.",
  },
};

/** @param error what Better Auth's client reports: its code, and the HTTP status. */
export function explain({ code, status }: { code?: string | undefined; status: number }): Problem {
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known) return known;
  if (status === 429) return { message: "Too many attempts. Wait ten seconds and try again." };
  if (status === 503) {
    return { message: "Signing in is not possible right now. Try again in a moment." };
  }
  return { message: "Something went wrong on the server. Try again." };
}
