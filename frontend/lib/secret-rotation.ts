import type { BetterAuthPlugin } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { parseSetCookieHeader, setRequestCookie } from "better-auth/cookies";
import {
  makeSignature,
  parseEnvelope,
  type SecretConfig,
  symmetricDecrypt,
  symmetricEncrypt,
} from "better-auth/crypto";
import type { ClientBase } from "pg";
import type { Config } from "./config";
import { deriveKey } from "./keys";

/**
 * A number that names a secret without telling it: what Better Auth encrypts says under which one.
 * Derived, so that nobody has to count rotations.
 */
function versionOf(secret: string): number {
  return Buffer.from(deriveKey(secret, "bearer-tasks/secret-version/v1")).readUIntBE(0, 6);
}

/** For Better Auth: signs and encrypts under the first, decrypts what any of them encrypted. */
export function secretVersions({ secret, previousSecret }: Config) {
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret];
  return secrets.map((value) => ({ version: versionOf(value), value }));
}

/**
 * Believes cookies that were signed under the previous secret, and replaces them.
 *
 * Better Auth verifies cookies under its current secret alone. Such a cookie is signed again before any
 * endpoint reads it, called by a browser or by a page through `auth.api`; and the browser gets the new
 * one with the answer, to keep once the previous secret is gone. The only cookies that Better Auth
 * signs here are the session's and the one that says to forget it with the browser.
 */
export function secretRotation(previousSecret: string): BetterAuthPlugin {
  const replaced = new WeakMap<Request, string>();
  return {
    id: "secret-rotation",
    hooks: {
      before: [
        {
          matcher: (ctx) => ctx.headers?.has("cookie") ?? false,
          handler: createAuthMiddleware(async (ctx) => {
            const { sessionToken, dontRememberToken } = ctx.context.authCookies;
            const headers = new Headers(ctx.headers);
            let changed = false;
            for (const { name } of [sessionToken, dontRememberToken]) {
              if (await ctx.getSignedCookie(name, ctx.context.secret)) continue;
              const value = await ctx.getSignedCookie(name, previousSecret);
              if (!value) continue;
              const signature = await makeSignature(value, ctx.context.secret);
              setRequestCookie(headers, name, `${value}.${signature}`);
              changed = true;
              if (ctx.request && name === sessionToken.name) replaced.set(ctx.request, value);
            }
            return changed ? { context: { headers } } : undefined;
          }),
        },
      ],
      after: [
        {
          matcher: (ctx) => ctx.request !== undefined && replaced.has(ctx.request),
          handler: createAuthMiddleware(async (ctx) => {
            const { sessionToken, dontRememberToken } = ctx.context.authCookies;
            const token = ctx.request && replaced.get(ctx.request);
            const session = ctx.context.session?.session;
            // Whoever is not signed in needs none, and what an endpoint itself set or took away stands.
            if (!token || session?.token !== token) return;
            const set = parseSetCookieHeader(ctx.context.responseHeaders?.get("set-cookie") ?? "");
            if (set.has(sessionToken.name)) return;

            const { secret } = ctx.context;
            const forgotten = await ctx.getSignedCookie(dontRememberToken.name, secret);
            const { maxAge: _whole, ...attributes } = sessionToken.attributes;
            if (forgotten) {
              await ctx.setSignedCookie(sessionToken.name, token, secret, attributes);
              const { name, attributes: its } = dontRememberToken;
              await ctx.setSignedCookie(name, forgotten, secret, its);
              return;
            }
            const secondsLeft = Math.floor((session.expiresAt.getTime() - Date.now()) / 1000);
            const maxAge = Math.max(0, secondsLeft);
            await ctx.setSignedCookie(sessionToken.name, token, secret, { ...attributes, maxAge });
          }),
        },
      ],
    },
  };
}

/**
 * Encrypts the private keys of the key set again, those that the previous secret encrypted, so that it
 * can be removed. A key under neither secret can sign nothing more: it is forgotten, and so are its
 * tokens, as a secret that changes without a previous one forgets every session.
 */
export async function reencryptKeys(client: ClientBase, secrets: SecretConfig): Promise<void> {
  const { rows } = await client.query<{ id: string; privateKey: string }>(
    `SELECT id, "privateKey" FROM public.jwks`,
  );
  for (const { id, privateKey } of rows) {
    const encrypted: unknown = JSON.parse(privateKey);
    if (typeof encrypted !== "string") continue;
    const version = parseEnvelope(encrypted)?.version;
    if (version === secrets.currentVersion) continue;
    if (version === undefined || !secrets.keys.has(version)) {
      await client.query("DELETE FROM public.jwks WHERE id = $1", [id]);
      continue;
    }
    const data = await symmetricDecrypt({ key: secrets, data: encrypted });
    const again = JSON.stringify(await symmetricEncrypt({ key: secrets, data }));
    await client.query(`UPDATE public.jwks SET "privateKey" = $2 WHERE id = $1`, [id, again]);
  }
}
