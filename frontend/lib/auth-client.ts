import { createAuthClient } from "better-auth/client";

export const authClient = createAuthClient({ fetchOptions: { timeout: 15_000 } });
