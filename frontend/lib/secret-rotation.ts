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
 * Return a number that identifies a secret without revealing it. Better Auth stores it with
 * encrypted data. It is derived, so that nobody has to count rotations.
 */
function versionOf(secret: string): number {
  return Buffer.from(deriveKey(secret, "bearer-tasks/secret-version/v1")).readUIntBE(0, 6);
}

/**
 * Return the secrets for Better Auth: it signs and encrypts with the first, and decrypts with any.
 */
export function secretVersions({ secret, previousSecret }: Config) {
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret];
  return secrets.map((value) => ({ version: versionOf(value), value }));
}

/**
 * Accept cookies signed with the previous secret, and sign them again.
 *
 * Better Auth verifies cookies only with the current secret. Such a cookie is signed again before
 * an endpoint reads it, whether a browser or `auth.api` called it. The browser gets the new cookie
 * with the response and keeps it when the previous secret is removed. Better Auth signs two cookies
 * here: the session's, and the one that makes it end with the browser session.
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
            // Nothing to do for a person who is not signed in, or if the endpoint itself changed
            // the cookie.
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
 * Encrypt the private keys that are encrypted with the previous secret again, so that it can be
 * removed. A key that neither secret can decrypt cannot sign: it is deleted, and its tokens become
 * invalid, just as sessions do when the secret changes without a previous one.
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
