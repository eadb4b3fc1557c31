// What a good token is. Each server verifies it on every request, the way its own pages tell.
import { createSecretKey, hkdfSync } from "node:crypto";

export const SITE = process.env.NEXT_PUBLIC_BETTER_AUTH_URL;

const octets = hkdfSync(
  "sha256",
  process.env.BETTER_AUTH_SECRET,
  "",
  "bearer-tasks/access-token/v1",
  32,
);
// Of bytes jsonwebtoken would first try, for each token, whether they are a public key.
export const KEY = createSecretKey(Buffer.from(octets));

export const CHECKED = { algorithms: ["HS256"], issuer: SITE, audience: SITE };
