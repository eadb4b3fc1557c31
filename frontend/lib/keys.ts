import { hkdfSync } from "node:crypto";
import { APIError, type GenericEndpointContext } from "better-auth";
import { createJwk, type Jwk, type JwtOptions, jwt } from "better-auth/plugins";
import { SignJWT } from "jose";
import type { Config, TokenAlgorithm } from "./config";
import type { Database } from "./database";

/** 32 bytes for one purpose alone, the same as the API derives (HKDF-SHA256, RFC 5869). */
export function deriveKey(secret: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", purpose, 32));
}

/** Better Auth's `GET /token`, and `GET /jwks` for as long as there are tokens under a key set. */
export function accessTokens(config: Config, database: Database) {
  const ofKeySet = config.tokenSigning === "key-set";
  const plugin = jwt({
    disableSettingJwtHeader: true,
    ...(ofKeySet ? keySet(config, database) : sharedSecret(config)),
  });
  if (ofKeySet) return plugin;
  // An API that starts after signing went back to the secret must still be able to fetch them.
  const { getJwks } = jwt(previousKeySet(config)).endpoints;
  return { ...plugin, endpoints: { ...plugin.endpoints, getJwks } };
}

function claims({ issuer, audience, accessTokenMaxAge }: Config) {
  return {
    issuer,
    audience,
    expirationTime: `${accessTokenMaxAge}s`,
    definePayload: ({ user, session }) => ({
      user_id: user.id,
      email: user.email,
      sid: session.id,
    }),
    getSubject: ({ user }) => user.id,
  } satisfies JwtOptions["jwt"];
}

/**
 * HS256 under a key derived from the secret. Not under the secret itself: Better Auth signs its own
 * e-mail tokens with that, and would take an access token for one of them.
 */
function sharedSecret(config: Config): JwtOptions {
  const key = deriveKey(config.secret, "bearer-tasks/access-token/v1");
  return {
    // `sign` is only allowed beside a remote key set. None is asked for: the key is shared.
    jwks: { remoteUrl: "http://unused.invalid/jwks", keyPairConfig: { alg: "EdDSA" } },
    jwt: {
      ...claims(config),
      sign: (payload) =>
        new SignJWT(payload).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(key),
    },
  };
}

const KEY_PAIRS = {
  EdDSA: { alg: "EdDSA", crv: "Ed25519" },
  ES256: { alg: "ES256" },
  RS256: { alg: "RS256", modulusLength: 2048 },
  PS256: { alg: "PS256", modulusLength: 2048 },
} as const satisfies Record<TokenAlgorithm, object>;

// An arbitrary number, the same in every process; the migrations lock under another.
const LOCK = "7238619340925514";
/** No key lives so long that there are more. */
const MAX_KEYS = 1000;

/** Seconds that a key is served after it signed last: as long as a token, and clocks that differ. */
const gracePeriodOf = ({ accessTokenMaxAge }: Config) => accessTokenMaxAge + 120;

const allKeys = (ctx: GenericEndpointContext): Promise<Jwk[]> =>
  ctx.context.adapter.findMany<Jwk>({
    model: "jwks",
    limit: MAX_KEYS,
    sortBy: { field: "createdAt", direction: "desc" },
  });

/** The key pairs that signed before the secret did, if any: served, and never made. */
function previousKeySet(config: Config): JwtOptions {
  return {
    jwks: { gracePeriod: gracePeriodOf(config) },
    adapter: {
      getJwks: async (ctx) => {
        const keys = await allKeys(ctx);
        if (keys.length === 0) throw new APIError("NOT_FOUND");
        return keys;
      },
    },
  };
}

/**
 * Key pairs in the table `jwks`, the private halves encrypted under the secret.
 *
 * Better Auth makes a key when it finds none to sign with: twenty requests that find none make twenty,
 * and the API meets each in a token before it could have fetched it. Here a key is made a while before
 * the one in use ends, by one process alone, and signs once it has been served for that while.
 */
function keySet(config: Config, database: Database): JwtOptions {
  const alg = config.tokenAlgorithm;
  /** Milliseconds that a key is served before it signs. */
  const publishAhead = Math.min(600, config.keyRotation / 2) * 1000;
  const gracePeriod = gracePeriodOf(config);

  const liveKeys = (keys: Jwk[], at: number) =>
    keys.filter((key) => key.alg === alg && key.expiresAt && key.expiresAt.getTime() > at);

  /** The newest that everybody may know by now, or whichever has been known the longest. */
  function keyInUse(keys: Jwk[]): Jwk | undefined {
    const now = Date.now();
    const live = liveKeys(keys, now);
    return live.find((key) => key.createdAt.getTime() <= now - publishAhead) ?? live.at(-1);
  }

  let making: Promise<unknown> | undefined;
  async function makeKey(ctx: GenericEndpointContext): Promise<void> {
    making ??= createJwk(ctx, options).finally(() => {
      making = undefined;
    });
    await making;
  }

  /** Keeps the key unless another process was faster, and forgets those that no token needs. */
  async function keepKey(key: Omit<Jwk, "id">, ctx: GenericEndpointContext): Promise<Jwk> {
    const client = await database.connect();
    let broken = true;
    try {
      await client.query("BEGIN");
      await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
      let kept = keyInUse(liveKeys(await allKeys(ctx), Date.now() + publishAhead));
      if (!kept) {
        const forgotten = new Date(Date.now() - gracePeriod * 1000);
        await client.query(`DELETE FROM public.jwks WHERE "expiresAt" < $1`, [forgotten]);
        // Committed at once, on a connection of its own: whoever has the lock next must find it.
        kept = await ctx.context.adapter.create<Omit<Jwk, "id">, Jwk>({ model: "jwks", data: key });
      }
      await client.query("COMMIT");
      broken = false;
      return kept;
    } finally {
      client.release(broken);
    }
  }

  const options: JwtOptions = {
    jwks: {
      keyPairConfig: KEY_PAIRS[alg],
      rotationInterval: config.keyRotation + publishAhead / 1000,
      gracePeriod,
    },
    jwt: claims(config),
    adapter: {
      getJwks: async (ctx) => {
        let keys = await allKeys(ctx);
        if (liveKeys(keys, Date.now() + publishAhead).length === 0) {
          await makeKey(ctx);
          keys = await allKeys(ctx);
        }
        if (ctx.path === "/jwks") return keys;
        const key = keyInUse(keys);
        return key ? [key] : [];
      },
      createJwk: keepKey,
    },
  };
  return options;
}
