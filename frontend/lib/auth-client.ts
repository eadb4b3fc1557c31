import { createAuthClient } from "better-auth/client";
import { reach } from "./reach";

export const authClient = createAuthClient({
  fetchOptions: { timeout: 15_000, customFetchImpl: reach },
});
