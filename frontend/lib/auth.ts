import { type BetterAuthOptions, betterAuth } from "better-auth";
import { callbackPaths } from "./callback-paths";
import { CLIENT_ADDRESS_HEADER } from "./client-address";
import { type Config, config } from "./config";
import { Connections } from "./connections";
import { type Database, watchedPool } from "./database";
import { emailChange } from "./email-change";
import { accessTokens } from "./keys";
import { withoutQuotes } from "./log-lines";
import { createMailer, linksFilter } from "./mailed-links";
import { revocationTracking } from "./outbox";
import { ownSessions, REPLACED_PATHS, SERVER_PATHS } from "./own-sessions";
import { passwordReset } from "./password-reset";
import { passwordStrength } from "./password-strength";
import { replacedPassword } from "./replaced-password";
import { secretRotation, secretVersions } from "./secret-rotation";
import { SignIns, signInLimit } from "./sign-in-limit";

const DAY = 24 * 60 * 60;

/**
 * Better Auth signs the links of these paths with the secret: whoever knows it could confirm any
 * address and be signed in. An API with a key set knows the secret but must not be able to do that.
 * `email-change` has links with random tokens instead.
 */
const UNUSED_PATHS = ["/verify-email", "/send-verification-email"];

/**
 * Write a line of Better Auth's log. Leave out the values that it quotes from a request, because
 * they may be e-mail addresses. Keep the origin of a URL.
 */
function logBetterAuth(level: string, message: string, ...values: unknown[]): void {
  const write = level === "error" || level === "warn" ? console[level] : console.info;
  write(
    `Better Auth: ${withoutQuotes(message)}`,
    ...values.filter((value) => value instanceof Error),
  );
}

/** Return Better Auth's options. Migrations pass a database of their own. */
export function authOptions(current: Config, database: Database) {
  const { previousSecret } = current;
  const mailLater = createMailer(database, current.secret);
  const signIns = new SignIns(database, current.secret);
  return {
    appName: "Bearer Tasks",
    baseURL: current.baseUrl,
    secrets: secretVersions(current),
    database,
    telemetry: { enabled: false },
    logger: { log: logBetterAuth },
    emailAndPassword: {
      enabled: true,
      minPasswordLength: 8,
      maxPasswordLength: 128,
    },
    user: {
      deleteUser: {
        enabled: true,
        afterDelete: async ({ id }): Promise<void> => {
          const { adapter } = await getAuth().$context;
          await adapter.deleteMany(linksFilter(id));
        },
      },
    },
    disabledPaths: [...REPLACED_PATHS, ...SERVER_PATHS, ...UNUSED_PATHS],
    session: { expiresIn: 7 * DAY, updateAge: DAY },
    // Requests are counted in the database, so that all web processes share the limits.
    // `sign-in-limit` limits the sign-ins of an account, and the mailer limits the mails to a
    // recipient.
    rateLimit: { storage: "database" },
    advanced: { ipAddress: { ipAddressHeaders: [CLIENT_ADDRESS_HEADER] } },
    plugins: [
      accessTokens(current, database),
      revocationTracking(),
      ownSessions(),
      callbackPaths(),
      signInLimit(signIns),
      passwordStrength(),
      replacedPassword(),
      passwordReset(current.baseUrl, mailLater, signIns),
      emailChange(current.baseUrl, mailLater),
      ...(previousSecret === undefined ? [] : [secretRotation(previousSecret)]),
    ],
  } satisfies BetterAuthOptions;
}

function createAuth() {
  const current = config();
  const pool = new Connections(current.databaseUrl);
  return { pool, auth: betterAuth(authOptions(current, watchedPool(pool))) };
}

let created: ReturnType<typeof createAuth> | undefined;

/** Created on first use, because the build imports this file without an environment. */
export function getAuth() {
  created ??= createAuth();
  return created.auth;
}

export function getPool() {
  created ??= createAuth();
  return created.pool;
}
