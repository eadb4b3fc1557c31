import { sendMail } from "./mail";

/** Seconds that a link works. */
export const RESET_LINK_LIFE = 60 * 60;

/** What a link's token is stored under, among all that Better Auth lets people prove. */
const PREFIX = "reset-password:";

export const resetIdentifier = (token: string) => `${PREFIX}${token}`;

/** Every link that was sent to somebody: a new password makes all of them worthless. */
export function resetLinksOf(userId: string) {
  return {
    model: "verification",
    where: [
      { field: "value", value: userId },
      { field: "identifier", operator: "starts_with" as const, value: PREFIX },
    ],
  };
}

type Request = { user: { email: string }; token: string };

/** Mails somebody a link to choose a new password with. A mail that cannot go out is logged. */
export async function sendResetLink(baseUrl: string, { user, token }: Request): Promise<void> {
  const link = `${baseUrl}/reset-password?${new URLSearchParams({ token })}`;
  const text = [
    "Open this link within an hour to choose a new password for Bearer Tasks:",
    link,
    "If you did not ask for it, do nothing: your password stays as it is.",
  ];
  try {
    await sendMail({
      to: user.email,
      subject: "Choose a new password",
      text: text.join("\n\n"),
    });
  } catch (error) {
    console.error("frontend: a password link could not be mailed:", error);
  }
}
