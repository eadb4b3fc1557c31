import { createTransport, type Transporter } from "nodemailer";
import { config } from "./config";
import { jsonLogger } from "./log-lines";

type Mail = { to: string; subject: string; text: string };

const RULE = "-".repeat(72);
/** For each step of the connection to the mail server. */
const TIMEOUT_MS = 10_000;

let transport: Transporter | undefined;

/**
 * Send a mail through `SMTP_URL`. Without it, print the mail to this server's log.
 *
 * @throws if the mail server does not accept it.
 */
export async function sendMail(mail: Mail): Promise<void> {
  const { smtpUrl, mailFrom } = config();
  if (smtpUrl === undefined) return await print(mail);
  transport ??= createTransport({
    url: smtpUrl,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  });
  await transport.sendMail({ from: mailFrom, ...mail });
}

async function print({ to, subject, text }: Mail): Promise<void> {
  const explanation = "SMTP_URL is not set. This mail would have been sent:";
  if (config().logFormat === "json") {
    jsonLogger("web.mail").info({ to, subject, text }, explanation);
    return;
  }
  const lines = [explanation, RULE];
  lines.push(`To: ${to}`, `Subject: ${subject}`, "", text, RULE);
  await new Promise<void>((printed) => {
    process.stdout.write(`${lines.join("\n")}\n`, () => printed());
  });
}
