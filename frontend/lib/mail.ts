export type Mail = { to: string; subject: string; text: string };

const RULE = "-".repeat(72);

/**
 * Sends a mail. Until one is set up it prints it where this server runs, for the developer to read:
 * replace the body of this function with your provider's call, and nothing else.
 */
export async function sendMail({ to, subject, text }: Mail): Promise<void> {
  const lines = ["No mail is set up (lib/mail.ts). This one would have gone out:", RULE];
  lines.push(`To: ${to}`, `Subject: ${subject}`, "", text, RULE);
  await new Promise<void>((printed) => {
    process.stdout.write(`${lines.join("\n")}\n`, () => printed());
  });
}
