import type { Person } from "../components/offline/offline-copy";

/** A person whose session ends in an hour. */
export const ada: Person = {
  id: "ada",
  email: "ada@example.com",
  sessionEndsAt: Date.now() + 3_600_000,
};
