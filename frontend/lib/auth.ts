import { hkdfSync } from "node:crypto";
import { type BetterAuthOptions, betterAuth } from "better-auth";
import { jwt } from "better-auth/plugins";
import { SignJWT } from "jose";
import { CLIENT_ADDRESS_HEADER } from "./client-address";
import { type Config, config } from "./config";
import { createPool, watchedPool } from "./database";

const DAY = 24 * 60 * 60;

/**
 * The key of access tokens, the same bytes as the API derives (RFC 5869).
 *
 * Not the secret itself: Better Auth signs its own e-mail tokens with that, and would take an access
 * token under it for one of them.
 */
function accessTokenKey(secret: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", "bearer-tasks/access-token/v1", 32));
}

function accessTokens({ secret, issuer, audience, accessTokenMaxAge }: Config) {
  const key = accessTokenKey(secret);
  return jwt({
    disableSettingJwtHeader: true,
    // `sign` is only allowed beside a remote key set. None is served or asked for: the key is shared.
    jwks: { remoteUrl: "http://unused.invalid/jwks", keyPairConfig: { alg: "EdDSA" } },
    jwt: {
      issuer,
      audience,
      expirationTime: `${accessTokenMaxAge}s`,
      definePayload: ({ user, session }) => ({
        user_id: user.id,
        email: user.email,
        sid: session.id,
      }),
      getSubject: ({ user }) => user.id,
      sign: (payload) =>
        new SignJWT(payload).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(key),
    },
  });
}

/** Better Auth's options; migrations bring a database of their own. */
export function authOptions(current: Config, database: BetterAuthOptions["database"]) {
  return {
    appName: "Bearer Tasks",
    baseURL: current.baseUrl,
    secret: current.secret,
    database,
    telemetry: { enabled: false },
    emailAndPassword: { enabled: true, minPasswordLength: 8, maxPasswordLength: 128 },
    session: { expiresIn: 7 * DAY, updateAge: DAY },
    // Counted in this process's memory: several web processes allow that many times the rate.
    rateLimit: { storage: "memory" },
    advanced: { ipAddress: { ipAddressHeaders: [CLIENT_ADDRESS_HEADER] } },
    plugins: [accessTokens(current)],
  } satisfies BetterAuthOptions;
}

function createAuth() {
  const current = config();
  const pool = createPool(current.databaseUrl);
  return { pool, auth: betterAuth(authOptions(current, watchedPool(pool))) };
}

let created: ReturnType<typeof createAuth> | undefined;

/** Made on first use: the build imports this file, with no environment to read. */
export function getAuth() {
  created ??= createAuth();
  return created.auth;
}

export function getPool() {
  created ??= createAuth();
  return created.pool;
}
