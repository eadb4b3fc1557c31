import { hkdfSync } from "node:crypto";
import { APIError, type GenericEndpointContext } from "better-auth";
import { createJwk, type Jwk, type JwtOptions, jwt } from "better-auth/plugins";
import { SignJWT } from "jose";
import type { Config, TokenAlgorithm } from "./config";
import type { Database } from "./database";

/** Derive 32 bytes for one purpose, as the API does (HKDF-SHA256, RFC 5869). */
export function deriveKey(secret: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "", purpose, 32));
}

/**
 * Return the plugin for `GET /token`, and for `GET /jwks` while there are tokens signed with a key
 * set.
 */
export function accessTokens(config: Config, database: Database) {
  const ofKeySet = config.tokenSigning === "key-set";
  const plugin = jwt({
    disableSettingJwtHeader: true,
    ...(ofKeySet ? keySet(config, database) : sharedSecret(config)),
  });
  if (ofKeySet) return plugin;
  // An API that starts after a change from a key set to the secret still has to fetch the keys.
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
 * Sign with HS256 and a key derived from the secret. Better Auth signs its email tokens with the
 * secret itself and would accept an access token as one of them.
 */
function sharedSecret(config: Config): JwtOptions {
  const key = deriveKey(config.secret, "bearer-tasks/access-token/v1");
  return {
    // Better Auth allows `sign` only with a remote key set. The URL is never requested.
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

// An arbitrary number, the same in every process. The migrations use another one.
const LOCK = "7238619340925514";
/** More keys than there can be. */
const MAX_KEYS = 1000;

/**
 * Return the seconds that a key is served after its last signature: the lifetime of a token, and a
 * margin for clock differences.
 */
const gracePeriodOf = ({ accessTokenMaxAge }: Config) => accessTokenMaxAge + 120;

const allKeys = (ctx: GenericEndpointContext): Promise<Jwk[]> =>
  ctx.context.adapter.findMany<Jwk>({
    model: "jwks",
    limit: MAX_KEYS,
    sortBy: { field: "createdAt", direction: "desc" },
  });

/** Serve the key pairs that signed before the secret did, and create none. */
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
 * Use key pairs in the table `jwks`, with the private keys encrypted with the secret.
 *
 * Better Auth creates a key when there is none to sign with: twenty concurrent requests create
 * twenty, and the API sees each in a token before it can fetch it. Here one process creates a key
 * some time before the current one expires, and the key signs only after it was served for that
 * time.
 */
function keySet(config: Config, database: Database): JwtOptions {
  const alg = config.tokenAlgorithm;
  /** The milliseconds that a key is served before it signs. */
  const publishAhead = Math.min(600, config.keyRotation / 2) * 1000;
  const gracePeriod = gracePeriodOf(config);

  const liveKeys = (keys: Jwk[], at: number) =>
    keys.filter((key) => key.alg === alg && key.expiresAt && key.expiresAt.getTime() > at);

  /**
   * Return the newest key that was served long enough, or else the one that was served the longest.
   */
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

  /** Store the key, unless another process was faster, and delete the keys that no token needs. */
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
        // This uses its own connection and commits at once, so that the next holder of the lock
        // finds the key.
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
